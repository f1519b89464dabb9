from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from memory.embedder import Embedder, Vectors
from memory.errors import EmbedderError
from tests.fakes.embedding import shared_embedder
from training.personaemp.vectors import SharedVectors

TEXTS = [f"My {one} has been ill since {'the' if place % 3 else 'that'} spring." for place, one in enumerate(
    ("son", "dog", "aunt", "boss", "cat", "wife", "friend", "horse", "uncle", "teacher", "neighbour")
)]  # fmt: skip


class CountingEmbedder(Embedder):
    """The shared embedder, which counts how often it reads a text and in how many passes."""

    def __init__(self) -> None:
        self.__dict__.update(shared_embedder().__dict__)
        self.met: Counter[str] = Counter()
        self.passes = 0
        self.begun = asyncio.Event()

    async def embed_alike(self, texts: Sequence[str]) -> Vectors:
        self.begun.set()
        self.met.update(texts)
        self.passes += 1
        return await super().embed_alike(texts)


class BrokenEmbedder(CountingEmbedder):
    """Fails the first time."""

    async def embed_alike(self, texts: Sequence[str]) -> Vectors:
        found = await super().embed_alike(texts)
        if self.passes == 1:
            raise EmbedderError("out of memory")
        return found


async def test_what_is_wanted_at_once_is_read_once_in_few_passes() -> None:
    embedder = CountingEmbedder()
    async with SharedVectors.open(embedder) as vectors:
        first, again = await asyncio.gather(vectors.embed(TEXTS), vectors.embed([*TEXTS[3:], TEXTS[4]]))
        passes = embedder.passes
        later = await vectors.embed(TEXTS[:2])
    assert {embedder.met[text] for text in TEXTS} == {1}
    assert passes == embedder.passes < len(TEXTS)
    assert np.array_equal(first[3:], again[:-1])
    assert np.array_equal(again[-1], first[4])
    assert np.array_equal(later, first[:2])


async def test_a_shared_vector_is_the_embedders_own() -> None:
    texts = [*TEXTS, "", "sister", "the", "我的姐姐不理我了", "so tired " * 400]
    async with SharedVectors.open(shared_embedder()) as vectors:
        shared = await vectors.embed(texts)
        assert (await vectors.embed([])).shape == (0, shared.shape[1])
    assert np.allclose(shared, await shared_embedder().embed(texts), atol=1e-5)


async def test_giving_up_takes_a_text_from_nobody_else() -> None:
    embedder = CountingEmbedder()
    async with SharedVectors.open(embedder) as vectors:
        gone = asyncio.create_task(vectors.embed(TEXTS))
        kept = asyncio.create_task(vectors.embed(TEXTS))
        await embedder.begun.wait()
        gone.cancel()
        assert len(await kept) == len(TEXTS)
    assert gone.cancelled()


async def test_a_failure_is_told_to_whom_it_concerns_and_not_kept() -> None:
    async with SharedVectors.open(BrokenEmbedder()) as vectors:
        with pytest.raises(EmbedderError, match="out of memory"):
            await vectors.embed(TEXTS[:1])
        assert len(await vectors.embed(TEXTS[:1])) == 1
