"""A running backend for tests of the HTTP surface."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_model import ScriptedModel


@pytest.fixture
def model() -> ScriptedModel:
    """A model whose words a test may script before it speaks."""
    return ScriptedModel(default="I hear you.")


@pytest.fixture
async def backend(tmp_path: Path, model: ScriptedModel) -> AsyncIterator[Backend]:
    """The whole backend with a scripted model, real storage and the real embedder."""
    async with running(tmp_path, policy=model, embedder=shared_embedder()) as backend:
        yield backend
