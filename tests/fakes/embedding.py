"""The real embedder, loaded once for the whole test run: loading takes seconds, and it keeps no state of a test."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from memory.config import EmbedderConfig
from memory.embedder import Embedder


@cache
def shared_embedder() -> Embedder:
    """Return the default embedder, with the packaged weights."""
    return Embedder(EmbedderConfig(), Path("unused: the packaged weights need no download"))
