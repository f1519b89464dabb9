"""A ledger and an index of their own for a benchmark, and memories of AlpsBench as facts; gone when it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from memory.config import MemoryConfig
from memory.embedder import Embedder, Vectors
from memory.index import Index
from memory.ledger.facts import add_fact
from memory.ledger.ledger import Ledger
from memory.types import Fact, Kind, NewFact
from training.kinds import kind_of

_LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
_REJECTED = "[ERROR"
"""In the value of a memory that people rejected."""


@dataclass(frozen=True, slots=True)
class Memory:
    """One memory of a record."""

    value: str
    kind: Kind

    @property
    def rejected(self) -> bool:
        """Whether it must not be used."""
        return _REJECTED in self.value


@dataclass(frozen=True, slots=True)
class Memories:
    """Where the people of a benchmark live."""

    ledger: Ledger
    index: Index
    embedder: Embedder


def memories_in(found: object) -> Iterator[Memory]:
    """Yield the memories of a list of a record.

    Raises:
        ValueError: it is no list of objects with a value.
    """
    if not isinstance(found, list):
        raise ValueError("no list of memories")
    for one in found:
        value = one.get("value") if isinstance(one, dict) else None
        if not isinstance(value, str) or not value.strip():
            raise ValueError("a memory without a value")
        yield Memory(value, kind_of(one.get("label")))


@asynccontextmanager
async def open_memories() -> AsyncIterator[Memories]:
    """Open an empty ledger and index in a temporary directory, with the default embedding model loaded."""
    with TemporaryDirectory(prefix="attune-bench-") as directory:
        config = MemoryConfig(home=Path(directory))
        embedder = CachingEmbedder(config.embedder, MemoryConfig().home / "models")
        try:
            await embedder.ready()
            async with Ledger.open(config) as ledger, Index.open(config, embedder) as index:
                yield Memories(ledger, index, embedder)
        finally:
            embedder.close()


async def settle(memories: Memories, known: Sequence[Memory]) -> tuple[str, list[Fact]]:
    """Make a person with these memories as facts, findable; the facts are in their order, equal ones the same."""
    person = await memories.ledger.users.create()
    async with memories.ledger.database.writing() as connection:
        facts = [
            await add_fact(connection, person.id, NewFact(one.value, one.kind, 0.9, "stated", (), _LONG_AGO))
            for one in known
        ]
    await memories.index.add_many(list({fact.id: fact for fact in facts}.values()))
    return person.id, facts


async def leave(memories: Memories, person_id: str) -> None:
    """Remove a person and what is known of them, so that thousands take no more room than one."""
    await memories.index.forget_person(person_id)
    await memories.ledger.users.delete(person_id)


class CachingEmbedder(Embedder):
    """Embeds what is stored in batches and once: many people of a benchmark share memories.

    What is looked up (`together`) is embedded as ever, so that times are real.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._known: dict[str, Vectors] = {}

    async def embed(self, texts: Sequence[str], *, together: bool = False) -> Vectors:
        """Return one unit vector per text."""
        if together:
            return await super().embed(texts, together=True)
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if missing:
            self._known.update(zip(missing, await super().embed(missing, together=True), strict=True))
        return await super().embed([]) if not texts else _stacked([self._known[text] for text in texts])


def _stacked(vectors: Sequence[Vectors]) -> Vectors:
    import numpy as np

    return np.stack(vectors)
