"""What goes with a fact, a message, a conversation or a person that is to be forgotten, looked up in the ledger.

It deletes nothing: exactly what is looked up here is what erasures.py deletes.

- A fact goes with its evidence and the older versions that it superseded; the messages it was said in stay.
- A message goes with its replies, which were made from it. What was said next hangs below what was said before.
- A fact that rests on nothing else goes too; one that does, or that was edited by hand, loses the quotes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import ColumnElement, Table, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.ledger import tables
from memory.ledger.datasets import count_of_person, count_resting_on
from memory.ledger.evidence import chunks
from memory.ledger.jobs import FORGET

Scope = Literal["fact", "message", "conversation", "person"]
REFLECT = "reflect"

_facts, _evidence, _traits = tables.facts, tables.fact_evidence, tables.trait_evidence
_messages, _conversations, _jobs = tables.messages, tables.conversations, tables.jobs


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be forgotten; a person's `ids` are empty."""

    scope: Scope
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Going:
    """What goes, by id; evidence has no ids and is counted."""

    facts: tuple[str, ...] = ()
    weakened: tuple[str, ...] = ()
    """Facts that stay, because they rest on something else too or were edited by hand, and lose quotes."""
    evidence: int = 0
    traits: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    conversations: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    """Jobs that named what goes; those that name something else too lose only that."""
    dataset_rows: int = 0
    """Rows of data sets for training that rest on what goes and are marked, so that nobody trains on them again."""

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Going:
        """Read what `asdict` wrote."""
        read: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()
        }
        return cls(**read)


async def going_with(connection: AsyncConnection, person_id: str, target: Target, job_id: str = "") -> Going:
    """Return what goes with `target`, but for the job `job_id`, which forgets it."""
    going = await _found(connection, person_id, target, job_id)
    if target.scope == "person":
        return replace(going, dataset_rows=await count_of_person(connection, person_id))
    ids = (*going.facts, *going.messages)
    return replace(going, dataset_rows=await count_resting_on(connection, person_id, ids))


async def _found(connection: AsyncConnection, person_id: str, target: Target, job_id: str) -> Going:
    if target.scope == "person":
        return await _all_of(connection, person_id, job_id)
    if target.scope == "fact":
        return await _with_facts(connection, person_id, target.ids, job_id)
    mine = _messages.c.person_id == person_id
    conversations: tuple[str, ...] = ()
    if target.scope == "conversation":
        theirs = _conversations.c.person_id == person_id
        conversations = tuple(await ids_of(connection, _conversations, theirs, _conversations.c.id, target.ids))
        messages = await ids_of(connection, _messages, mine, _messages.c.conversation_id, conversations)
    else:
        messages = await ids_of(connection, _messages, mine, _messages.c.id, target.ids)
        replies = and_(mine, _messages.c.role == "assistant")
        messages += await ids_of(connection, _messages, replies, _messages.c.parent_id, messages)
    return await _with_messages(connection, person_id, tuple(dict.fromkeys(messages)), conversations, job_id)


async def _all_of(connection: AsyncConnection, person_id: str, job_id: str) -> Going:
    async def ids(table: Table) -> tuple[str, ...]:
        return tuple((await connection.execute(select(table.c.id).where(table.c.person_id == person_id))).scalars())

    count = select(func.count()).select_from(_evidence).where(_evidence.c.person_id == person_id)
    return Going(
        facts=await ids(_facts),
        evidence=int((await connection.execute(count)).scalar_one()),
        traits=await ids(_traits),
        messages=await ids(_messages),
        conversations=await ids(_conversations),
        jobs=tuple(id for id in await ids(_jobs) if id != job_id),
    )


async def _with_facts(connection: AsyncConnection, person_id: str, ids: tuple[str, ...], job_id: str) -> Going:
    mine = _facts.c.person_id == person_id
    found = await ids_of(connection, _facts, mine, _facts.c.id, ids)
    older = list(found)
    while older:
        older = await ids_of(connection, _facts, mine, _facts.c.superseded_by, older)
        older = [id for id in older if id not in found]
        found += older
    evidence = await count_of(connection, _evidence, _evidence.c.fact_id, found)
    said_in = set(await column_of(connection, _evidence.c.message_id, _evidence.c.fact_id, found))
    jobs = [job for job in await jobs_naming(connection, person_id, said_in, job_id) if _learns(job)]
    return Going(facts=tuple(found), evidence=evidence, jobs=tuple(job.id for job in jobs))


async def _with_messages(
    connection: AsyncConnection,
    person_id: str,
    messages: tuple[str, ...],
    conversations: tuple[str, ...],
    job_id: str,
) -> Going:
    gone = set(messages)
    touched = sorted(set(await column_of(connection, _evidence.c.fact_id, _evidence.c.message_id, messages)))
    facts: list[str] = []
    weakened: list[str] = []
    for part in chunks(touched):
        query = select(_facts.c.id, _facts.c.origin).where(_facts.c.id.in_(part))
        edited = {row.id for row in await connection.execute(query) if row.origin == "edited"}
        pairs = select(_evidence.c.fact_id, _evidence.c.message_id).where(_evidence.c.fact_id.in_(part))
        rest = {row.fact_id for row in await connection.execute(pairs) if row.message_id not in gone}
        for id in part:
            (weakened if id in edited or id in rest else facts).append(id)
    evidence = await count_of(connection, _evidence, _evidence.c.message_id, messages)
    mine = _traits.c.person_id == person_id
    traits = await ids_of(connection, _traits, mine, _traits.c.message_id, messages)
    traits += await ids_of(connection, _traits, mine, _traits.c.conversation_id, conversations)
    jobs = await jobs_naming(connection, person_id, {*messages, *conversations}, job_id)
    return Going(
        tuple(facts),
        tuple(weakened),
        evidence,
        tuple(dict.fromkeys(traits)),
        messages,
        conversations,
        tuple(job.id for job in jobs),
    )


# ---------------------------------------------------------------- looking up


async def ids_of(
    connection: AsyncConnection, table: Table, mine: ColumnElement[bool], column: Any, values: Collection[str]
) -> list[str]:
    """Return the ids of the rows that are `mine` and whose `column` is one of `values`."""
    found: list[str] = []
    for part in chunks(values):
        found += (await connection.execute(select(table.c.id).where(mine, column.in_(part)))).scalars()
    return found


async def column_of(connection: AsyncConnection, wanted: Any, column: Any, values: Collection[str]) -> list[str]:
    """Return what is `wanted` of the rows whose `column` is one of `values`."""
    found: list[str] = []
    for part in chunks(values):
        found += (await connection.execute(select(wanted).where(column.in_(part)))).scalars()
    return found


async def count_of(connection: AsyncConnection, table: Table, column: Any, values: Collection[str]) -> int:
    """Return how many rows have one of `values` as their `column`."""
    found = 0
    for part in chunks(values):
        query = select(func.count()).select_from(table).where(column.in_(part))
        found += int((await connection.execute(query)).scalar_one())
    return found


async def jobs_naming(connection: AsyncConnection, person_id: str, ids: Collection[str], job_id: str) -> list[Any]:
    """Return a person's jobs whose payload names any of the ids; those that forget hold nothing but ids and stay."""
    others = (_jobs.c.person_id == person_id, _jobs.c.id != job_id, _jobs.c.kind != FORGET)
    rows = (await connection.execute(select(_jobs).where(*others))).all() if ids else []
    return [row for row in rows if not set(ids).isdisjoint(_strings(row.payload))]


def _learns(job: Any) -> bool:
    return bool(job.kind == REFLECT and job.status != "done")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
