"""Builds the index of a person again from the ledger where it is missing or damaged, beside everything else.

At the start and once a day for whoever has facts and no index; in between for those whose index was found damaged in
use. What fails is tried again after a while, not at every message. An index on a server that others share is left
alone, and so is one of another embedding model: `attune doctor --rebuild-index` is for those.
"""

from __future__ import annotations

import asyncio
import logging
import time

from memory.errors import MemoryLayerError
from memory.index import Index
from memory.ledger.ledger import Ledger
from memory.types import Fact

AGAIN_AFTER_S = 600.0

log = logging.getLogger(__name__)


async def rebuild(ledger: Ledger, index: Index, person_id: str) -> int:
    """Build somebody's index again from the ledger, alone with it; return of how many facts.

    Raises:
        MemoryLayerError: ledger, index or embedding model failed.
    """
    count = 0

    async def read() -> list[Fact]:
        nonlocal count
        facts = [fact async for fact in ledger.facts.all_active(person_id)]
        count = len(facts)
        return facts

    await index.rebuild_from(person_id, read)
    return count


class Mending:
    """Mends in the background; close it before the index."""

    def __init__(self, ledger: Ledger, index: Index) -> None:
        self._ledger = ledger
        self._index = index
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._begun: dict[str, float] = {}

    def begin(self, person_id: str) -> None:
        """Mend somebody's index in the background, unless that was begun a short while ago."""
        now = time.monotonic()
        recently = now - self._begun.get(person_id, -AGAIN_AFTER_S) < AGAIN_AFTER_S
        if recently or not self._index.own:
            return
        self._begun = {id: begun for id, begun in self._begun.items() if now - begun < AGAIN_AFTER_S}
        self._begun[person_id] = now
        task = self._tasks[person_id] = asyncio.create_task(self._mend(person_id), name=f"mending {person_id}")
        task.add_done_callback(lambda _done: self._tasks.pop(person_id, None))

    async def sweep(self) -> int:
        """Mend the index of everybody who has facts and none; return of how many.

        Raises:
            MemoryLayerError: ledger, index or embedding model failed.
        """
        if not self._index.own:
            return 0
        missing = set(await self._ledger.facts.people_with_facts()) - await self._index.people()
        for person_id in sorted(missing):
            await self._rebuild(person_id)
        return len(missing)

    async def settled(self) -> None:
        """Wait until nothing is being mended."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    async def aclose(self) -> None:
        """Give up what is being mended; the next start goes on."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _mend(self, person_id: str) -> None:
        try:
            await self._rebuild(person_id)
        except MemoryLayerError as error:
            log.error("the index of %s could not be built again: %s", person_id, error)

    async def _rebuild(self, person_id: str) -> None:
        count = await rebuild(self._ledger, self._index, person_id)
        log.warning("the index of %s was missing or damaged: built again with %d facts", person_id, count)
