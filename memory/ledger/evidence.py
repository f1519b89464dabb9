"""What a fact rests on: adding quotes, reading them back, and withdrawing them with the messages they stand in.

Used by the nouns of the ledger inside their own transactions; owners are checked here.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.errors import NotFoundError
from memory.ledger import tables
from memory.ledger.insert import insert_new
from memory.types import Evidence

CHUNK = 500
"""At most so many ids in one statement; databases limit the parameters of one."""

_evidence = tables.fact_evidence


def chunks(values: Iterable[str]) -> list[list[str]]:
    """Split distinct `values` into lists that fit one statement."""
    distinct = list(dict.fromkeys(values))
    return [distinct[start : start + CHUNK] for start in range(0, len(distinct), CHUNK)]


async def require_messages(connection: AsyncConnection, person_id: str, message_ids: Iterable[str]) -> None:
    """Return when every message is this person's.

    Raises:
        NotFoundError: naming one that is not.
    """
    table = tables.messages
    for part in chunks(message_ids):
        query = select(table.c.id).where(table.c.person_id == person_id, table.c.id.in_(part))
        known = set((await connection.execute(query)).scalars())
        for id in part:
            if id not in known:
                raise NotFoundError("message", id)


async def add_evidence(connection: AsyncConnection, person_id: str, fact_id: str, evidence: Sequence[Evidence]) -> int:
    """Add the quotes that this fact does not rest on yet, and return how many these were."""
    await require_messages(connection, person_id, (one.message_id for one in evidence))
    added = 0
    for one in evidence:
        values = {
            "person_id": person_id,
            "fact_id": fact_id,
            "message_id": one.message_id,
            "quote": one.quote,
            "quote_sha256": quote_digest(one.quote),
        }
        added += await insert_new(connection, _evidence, values)
    return added


async def evidence_of(
    connection: AsyncConnection, person_id: str, fact_ids: Iterable[str]
) -> dict[str, tuple[Evidence, ...]]:
    """Return what each of these facts rests on, oldest first; a fact without evidence is left out."""
    found: defaultdict[str, list[Evidence]] = defaultdict(list)
    for part in chunks(fact_ids):
        query = select(_evidence).where(_evidence.c.person_id == person_id, _evidence.c.fact_id.in_(part))
        for row in await connection.execute(query.order_by(_evidence.c.seq)):
            found[row.fact_id].append(Evidence(row.message_id, row.quote))
    return {fact_id: tuple(evidence) for fact_id, evidence in found.items()}


async def facts_resting_on(
    connection: AsyncConnection, person_id: str, messages: ColumnElement[bool]
) -> tuple[str, ...]:
    """Return the ids of the facts with evidence in those rows of `messages` that the condition picks."""
    picked = select(tables.messages.c.id).where(messages)
    query = select(_evidence.c.fact_id).where(_evidence.c.person_id == person_id, _evidence.c.message_id.in_(picked))
    return tuple((await connection.execute(query.distinct())).scalars())


async def forget_unsupported(connection: AsyncConnection, person_id: str, fact_ids: Iterable[str]) -> tuple[str, ...]:
    """Delete those of the facts that rest on nothing any more and were not edited by hand; return their ids."""
    facts = tables.facts
    forgotten: list[str] = []
    for part in chunks(fact_ids):
        bare: Any = ~exists().where(_evidence.c.fact_id == facts.c.id)
        mine = (facts.c.person_id == person_id, facts.c.id.in_(part), facts.c.origin != "edited", bare)
        ids = list((await connection.execute(select(facts.c.id).where(*mine))).scalars())
        await connection.execute(delete(facts).where(facts.c.person_id == person_id, facts.c.id.in_(ids)))
        forgotten.extend(ids)
    return tuple(forgotten)


def quote_digest(quote: str) -> str:
    """Return what stands for a quote in a unique constraint."""
    return hashlib.sha256(quote.encode("utf-8", "surrogatepass")).hexdigest()
