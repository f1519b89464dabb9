"""The texts that deleting something takes along, read beforehand to look for them afterwards."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.ledger import tables
from memory.ledger.evidence import chunks

if TYPE_CHECKING:
    from memory.ledger.going import Going

_TEXTS: dict[str, tuple[Table, tuple[str, ...]]] = {
    "facts": (tables.facts, ("text",)),
    "evidence": (tables.fact_evidence, ("quote",)),
    "traits": (tables.trait_evidence, ("quote",)),
    "messages": (tables.messages, ("text", "client_message_id")),
    "feedback": (tables.feedback, ("reason", "better")),
    "conversations": (tables.conversations, ("title",)),
    "jobs": (tables.jobs, ("payload",)),
}


async def words_of(
    connection: AsyncConnection, person_id: str, going: Going, *, everything: bool = False
) -> frozenset[str]:
    """Return the texts of the rows that go; with `everything`, all texts of the person."""
    keys: dict[str, list[tuple[str, Collection[str]]]] = {
        "facts": [("id", going.facts)],
        "evidence": [("fact_id", going.facts), ("message_id", going.messages)],
        "traits": [("id", going.traits)],
        "messages": [("id", going.messages)],
        "feedback": [("message_id", going.messages)],
        "conversations": [("id", going.conversations)],
        "jobs": [("id", going.jobs)],
    }
    found: set[str] = set()
    for noun, (table, columns) in _TEXTS.items():
        query = select(*(table.c[name] for name in columns)).where(table.c.person_id == person_id)
        queries = (
            [query]
            if everything
            else [query.where(table.c[key].in_(part)) for key, ids in keys[noun] for part in chunks(ids)]
        )
        for one in queries:
            for row in await connection.execute(one):
                found.update(text for value in row for text in _texts(value) if text)
    return frozenset(found)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
