"""People with facts, in a home of ours and in a Mem0 as its quickstart makes it, from the same texts and vectors."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import insert

from assistant.progress import bar
from memory.config import EmbedderConfig, MemoryConfig
from memory.embedder import Embedder, Vectors
from memory.index import Index
from memory.ledger import tables
from memory.ledger.ledger import Ledger
from tests.benchmarks.made_facts import made_fact, row_of

_WHO = (
    "sister",
    "brother",
    "neighbour",
    "daughter",
    "boss",
    "oldest friend",
    "cousin",
    "teacher",
    "grandfather",
    "dog",
)
_DOES = (
    *("plays chess", "moved to Lisbon", "is afraid of flying", "bakes bread", "has a bad hip", "works at night"),
    *("learns the cello", "keeps bees", "runs marathons", "is looking for a flat", "has stopped smoking"),
)
_WHEN = ("since last spring", "on Sundays", "for ten years", "after the operation", "whenever it rains", "since June")
QUESTIONS = tuple(f"How is my {who} these days?" for who in _WHO)
APP = "performance"
_ROWS = 5_000
_AT_ONCE = 8


class Once(Embedder):
    """The real embedding model, which embeds each text once: people tell many of the same things."""

    def __init__(self, home: Path) -> None:
        super().__init__(EmbedderConfig(), home)
        self._known: dict[str, Vectors] = {}

    async def embed(self, texts: Sequence[str], *, together: bool = False) -> Any:
        """Return one unit vector per text."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, await super().embed(new, together=together), strict=True))
        return [self._known[text] for text in texts]


def texts(facts_each: int, chance: random.Random) -> list[str]:
    """So many different things that somebody may have told."""
    every = [f"My {who} {does} {when}." for who in _WHO for does in _DOES for when in _WHEN]
    found = chance.sample(every, min(facts_each, len(every)))
    return found + [f"{text} I said so {n} times." for n, text in enumerate(every * 200)][: facts_each - len(found)]


async def seed(home: Path, people: int, facts_each: int) -> tuple[str, dict[str, list[tuple[str, Any]]]]:
    """Fill a home; returns the key of an app that names the people p0, p1, …, and what each was given, with vectors."""
    chance, given = random.Random(7), {}
    embedder = Once(home / "models")
    try:
        config = MemoryConfig(home=home)
        async with Ledger.open(config) as ledger, Index.open(config, embedder) as index:
            key, secret = await ledger.keys.create("app", scopes=("act_as",))

            async def fill(number: int) -> None:
                told = texts(facts_each, chance)  # before anything is waited for: every run draws in the same order
                person = await ledger.users.ensure_external(key.id, f"p{number}")
                facts = [made_fact(person.id, text, at) for at, text in enumerate(told)]
                async with ledger.database.writing() as connection:
                    await connection.execute(insert(tables.facts), [row_of(fact) for fact in facts])
                await index.add_many(facts)
                given[f"p{number}"] = list(zip(told, await embedder.embed(told), strict=True))

            with bar() as show:
                for done in range(0, people, _AT_ONCE):
                    await asyncio.gather(*(fill(number) for number in range(done, min(done + _AT_ONCE, people))))
                    show({"phase": "people with facts", "done": min(done + _AT_ONCE, people), "total": people})
    finally:
        embedder.close()
    return secret, given


def fill_mem0(memory: Any, given: dict[str, list[tuple[str, Any]]]) -> None:
    """Put the same into a Mem0, as it would stand after `add`."""
    now, rows = datetime.now(UTC).isoformat(), []
    for person, told in given.items():
        for text, vector in told:
            payload = {"data": text, "user_id": person, "hash": str(hash(text)), "created_at": now, "updated_at": now}
            rows.append((vector.tolist(), payload, str(uuid4())))
    step = min(_ROWS, memory.vector_store.client.get_max_batch_size())
    for at in range(0, len(rows), step):
        vectors, payloads, ids = zip(*rows[at : at + step], strict=True)
        memory.vector_store.insert(list(vectors), list(payloads), list(ids))
