"""Learning, or building the index again, killed with SIGKILL in the middle. Arguments: HOME STEP."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from memory.config import MemoryConfig, ReflectionConfig
from memory.embedder import Vectors
from memory.errors import ReflectionError
from memory.index import Index
from memory.ledger.ledger import Ledger
from memory.queue import ReflectionWorker
from memory.types import Fact, NewTraitEvidence
from tests.benchmarks.memory_scale import MadeUp


class Doomed(Index):
    """The real index; the process ends at one step of its use."""

    fatal = ""

    async def add_many(self, facts: Sequence[Fact]) -> None:
        """Add, and die before or after."""
        die_at(self.fatal == "kept")
        await super().add_many(facts)
        die_at(self.fatal == "indexed")


class DoomedEmbedder(MadeUp):
    """Made-up vectors; the process ends while what it made is being written."""

    async def embed(self, texts: Sequence[str], *, together: bool = False) -> Vectors:
        """Embed, and die a moment later."""
        vectors = await super().embed(texts, together=together)
        asyncio.get_running_loop().call_later(0.02, os.kill, os.getpid(), signal.SIGKILL)
        return vectors


def die_at(now: bool) -> None:
    """End here, without any goodbye."""
    if now:
        os.kill(os.getpid(), signal.SIGKILL)


async def die_while_asked(*_asked: object, **_more: object) -> Sequence[NewTraitEvidence]:
    """End while traits are observed."""
    die_at(True)
    raise ReflectionError("unreachable")


async def main(home: Path, fatal: str) -> None:
    """Learn, or rebuild, until killed."""
    config = MemoryConfig(home=home)
    embedder = DoomedEmbedder() if fatal == "rebuilding" else MadeUp()
    Doomed.fatal = fatal
    async with Ledger.open(config) as ledger, Doomed.open(config, embedder) as index:
        if fatal == "rebuilding":
            (person,) = await ledger.facts.people_with_facts()
            while True:
                await index.rebuild(person, [fact async for fact in ledger.facts.all_active(person)])
        observe = die_while_asked if fatal == "asked" else None
        worker = ReflectionWorker(ledger, index, None, ReflectionConfig(), "w1", observe_traits=observe)
        await worker.drain(240)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
