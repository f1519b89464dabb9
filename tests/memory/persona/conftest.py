from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.config import EmbedderConfig
from memory.embedder import Embedder


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    """The real embedder, loaded once; the statements of the items are embedded once with it."""
    embedder = Embedder(EmbedderConfig(), Path(tmp_path_factory.mktemp("models")))
    yield embedder
    embedder.close()
