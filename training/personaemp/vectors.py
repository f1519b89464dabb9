"""The embedding model for many prompts that are made at once: each text is read once, beside others of its length.

A model that reads one short text loads all of its weights for it; eight at once take less than half the time of eight
alone. Texts of one length need no padding, so a vector does not depend on what was asked at the same time, and the same
build gives the same prompts. The vectors of the last few thousand texts are kept.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np

from memory.embedder import Embedder, Vectors

_AT_ONCE = 8
"""Texts in one pass; more gain nothing."""
_KEPT = 8192
"""Vectors, of 1.5 kB."""
_COMPANY, _COMPANY_LENGTH = "the", 3
"""Read beside a text of so few tokens: by itself it would differ in its last digits."""


class SharedVectors:
    """An embedder that waits for what else is wanted; open it with `open`."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._kept: OrderedDict[str, Vectors] = OrderedDict()
        self._wanted: dict[str, asyncio.Future[Vectors]] = {}
        self._waiting: dict[int, list[str]] = {}
        """By length; what is wanted and not being read yet."""
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, embedder: Embedder) -> AsyncIterator[SharedVectors]:
        """Stand before `embedder`; what is still wanted on leaving is never read."""
        shared = cls(embedder)
        try:
            yield shared
        finally:
            if shared._reading is not None:
                shared._reading.cancel()
                await asyncio.gather(shared._reading, return_exceptions=True)

    @property
    def everyday(self) -> Vectors:
        """The vectors of everyday requests."""
        return self._embedder.everyday

    def familiarity(self, text: str) -> float:
        """Return the share of the words that are known whole."""
        return self._embedder.familiarity(text)

    async def embed(self, texts: Sequence[str], *, together: bool = False) -> Vectors:  # noqa: ARG002
        """Return one unit vector per text; `together` changes nothing here.

        Raises:
            EmbedderError: the model cannot be loaded, or failed.
        """
        await self._embedder.ready()
        found = {text: self._kept[text] for text in texts if text in self._kept}
        for text in found:
            self._kept.move_to_end(text)
        wanted = {text: self._future(text) for text in texts if text not in found}
        if wanted:
            # Waited for, not gathered: somebody else may want the same text when this one gives up.
            await asyncio.wait(wanted.values())
            found.update((text, future.result()) for text, future in wanted.items())
        if not texts:
            return np.empty((0, self._embedder.identity.dimension), dtype=np.float32)
        return np.stack([found[text] for text in texts])

    def _future(self, text: str) -> asyncio.Future[Vectors]:
        """Return where the vector of a text will be, and see that it is read."""
        if text not in self._wanted:
            future: asyncio.Future[Vectors] = asyncio.get_running_loop().create_future()
            future.add_done_callback(lambda done: done.cancelled() or done.exception())  # whoever asked may be gone
            self._wanted[text] = future
            self._waiting.setdefault(self._embedder.length(text), []).append(text)
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read())
        return self._wanted[text]

    async def _read(self) -> None:
        """Read what is wanted until nothing is, the most texts of one length first."""
        while self._waiting:
            length = max(self._waiting, key=lambda one: (len(self._waiting[one]), -one))
            chunk, rest = self._waiting[length][:_AT_ONCE], self._waiting.pop(length)[_AT_ONCE:]
            if rest:
                self._waiting[length] = rest
            company = [_COMPANY] if length == _COMPANY_LENGTH else []
            try:
                vectors = await self._embedder.embed_alike([*chunk, *company])
            except Exception as error:
                for text in chunk:
                    self._wanted.pop(text).set_exception(error)
                continue
            for text, vector in zip(chunk, vectors[: len(chunk)], strict=True):
                self._keep(text, vector)
                self._wanted.pop(text).set_result(vector)

    def _keep(self, text: str, vector: Vectors) -> None:
        # A copy: a row of the array would keep the whole of it.
        self._kept[text] = vector.copy()
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
