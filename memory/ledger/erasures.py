"""Forgetting in the ledger: what goes with something that is to be forgotten (going.py), planned and deleted.

What is looked up is exactly what is deleted. Deleting is one transaction, which also writes the ids that went into the
job that forgets, so that whoever runs it again after a crash knows what must not be anywhere else either.

- Rows of data sets for training that rest on any of it are marked.
- A person goes with every row that is theirs, and policies that saw their data are marked, without saying whose. Of
  the local owner the empty person and their keys stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.database import Database
from memory.errors import NotFoundError
from memory.ledger import tables
from memory.ledger.columns import UTCDateTime
from memory.ledger.datasets import Traces, mark_person, mark_resting_on, traces_of
from memory.ledger.evidence import chunks
from memory.ledger.forgotten import note_forgotten
from memory.ledger.going import (
    REFLECT,
    Going,
    Target,
    column_of,
    count_of,
    going_with,
    ids_of,
    jobs_naming,
)
from memory.ledger.messages import title_of
from memory.ledger.policies import taint
from memory.ledger.words import words_of

GONE = "gone"
"""Where the payload of a job that forgets names what the ledger has deleted, once it has."""
_TRACES = "traces"
"""And there, where files of data sets hold words of the person."""

_PAYLOAD = ("conversation_id", "message_ids", "fact_ids", "replaces")
"""What a reflection's payload may hold: ids and nothing else."""

_facts, _evidence, _traits = tables.facts, tables.fact_evidence, tables.trait_evidence
_messages, _conversations, _jobs, _users = tables.messages, tables.conversations, tables.jobs, tables.users


@dataclass(frozen=True, slots=True)
class Erased:
    """What went, and every text that did; None when another run had deleted it, and the texts are not known."""

    going: Going
    words: frozenset[str] | None
    traces: tuple[Traces, ...] = ()
    """Where files of data sets hold words of the person."""


class Erasures:
    """Looks up and deletes what goes with something that is to be forgotten."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def plan(self, person_id: str, target: Target) -> Going:
        """Return what would go.

        Raises:
            NotFoundError: the person, or one of the things, is not there or is somebody else's.
        """
        async with self._database.reading() as connection:
            await _require(connection, person_id, target)
            return await going_with(connection, person_id, target)

    async def erase(self, person_id: str, target: Target, job_id: str) -> Erased:
        """Delete it, and note in the job what went; a second call deletes nothing and returns what the first did."""
        async with self._database.writing() as connection:
            payload = (await connection.execute(select(_jobs.c.payload).where(_jobs.c.id == job_id))).scalar_one()
            if GONE in payload:
                return Erased(Going.of(payload[GONE]), None, tuple(Traces(**one) for one in payload.get(_TRACES, ())))
            going = await going_with(connection, person_id, target, job_id)
            words = await words_of(connection, person_id, going, everything=target.scope == "person")
            if target.scope == "person":
                await mark_person(connection, person_id, "forgotten")
                traces = await traces_of(connection, person_id)
                await taint(connection, person_id)
                await _delete_person(connection, person_id, job_id)
            else:
                await mark_resting_on(connection, person_id, (*going.facts, *going.messages))
                traces = await traces_of(connection, person_id)
                await _delete(connection, person_id, target, going)
            noted = {**payload, GONE: asdict(going), _TRACES: [asdict(one) for one in traces]}
            await connection.execute(update(_jobs).where(_jobs.c.id == job_id).values(payload=noted))
        return Erased(going, words, tuple(traces))

    async def delete_person(self, person_id: str) -> None:
        """Delete the emptied person and, with them, the job that emptied them; the local owner stays, empty."""
        async with self._database.writing() as connection:
            await connection.execute(delete(_users).where(_users.c.id == person_id, _users.c.slot.is_(None)))

    async def older_than(self, person_id: str, before: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return a person's conversations with nothing newer than `before`, and the older messages of the others."""
        table = _messages
        newest = select(table.c.conversation_id, func.max(table.c.created_at, type_=UTCDateTime).label("newest"))
        newest = newest.where(table.c.person_id == person_id).group_by(table.c.conversation_id)
        async with self._database.reading() as connection:
            rows = (await connection.execute(newest)).all()
            whole = tuple(row.conversation_id for row in rows if row.newest < before)
            mine = (table.c.person_id == person_id, table.c.created_at < before)
            old = (await connection.execute(select(table.c.id, table.c.conversation_id).where(*mine))).all()
        return whole, tuple(row.id for row in old if row.conversation_id not in whole)

    async def remaining(self, person_id: str, target: Target, going: Going, job_id: str) -> int:
        """Read every table again and return how much of what should be gone is there."""
        async with self._database.reading() as connection:
            if target.scope == "person":
                return await _count_person(connection, person_id, job_id)
            jobs = await jobs_naming(connection, person_id, {*going.messages, *going.conversations}, job_id)
            counts = [
                await count_of(connection, _facts, _facts.c.id, going.facts),
                await count_of(connection, _evidence, _evidence.c.fact_id, going.facts),
                await count_of(connection, _evidence, _evidence.c.message_id, going.messages),
                await count_of(connection, _traits, _traits.c.id, going.traits),
                await count_of(connection, _traits, _traits.c.message_id, going.messages),
                await count_of(connection, _messages, _messages.c.id, going.messages),
                await count_of(connection, _conversations, _conversations.c.id, going.conversations),
                await count_of(connection, tables.feedback, tables.feedback.c.message_id, going.messages),
            ]
            return len(jobs) + sum(counts)


async def _require(connection: AsyncConnection, person_id: str, target: Target) -> None:
    if (await connection.execute(select(_users.c.id).where(_users.c.id == person_id))).first() is None:
        raise NotFoundError("person", person_id)
    if target.scope == "person":
        return
    table = {"fact": _facts, "message": _messages, "conversation": _conversations}[target.scope]
    known = set(await ids_of(connection, table, table.c.person_id == person_id, table.c.id, target.ids))
    for id in target.ids:
        if id not in known:
            raise NotFoundError(target.scope, id)


# ---------------------------------------------------------------- deleting


async def _delete(connection: AsyncConnection, person_id: str, target: Target, going: Going) -> None:
    said_in: set[str] = set()
    if target.scope == "fact":
        prints = await column_of(connection, _facts.c.fingerprint, _facts.c.id, going.facts)
        await note_forgotten(connection, person_id, prints)
        said_in = set(await column_of(connection, _evidence.c.message_id, _evidence.c.fact_id, going.facts))
    await _drop_from_jobs(connection, going, said_in or {*going.messages, *going.conversations})
    for part in chunks(going.facts):
        await connection.execute(delete(_facts).where(_facts.c.person_id == person_id, _facts.c.id.in_(part)))
    for part in chunks(going.traits):
        await connection.execute(delete(_traits).where(_traits.c.person_id == person_id, _traits.c.id.in_(part)))
    for part in chunks(going.conversations):
        mine = (_conversations.c.person_id == person_id, _conversations.c.id.in_(part))
        await connection.execute(delete(_conversations).where(*mine))
    if not going.conversations:
        await _cut_out(connection, person_id, going.messages)


async def _cut_out(connection: AsyncConnection, person_id: str, ids: Collection[str]) -> None:
    """Delete single messages; what hung below one hangs below what it hung below, and titles made from one go."""
    gone = set(ids)
    rows: dict[str, Any] = {}
    for part in chunks(ids):
        mine = (_messages.c.person_id == person_id, _messages.c.id.in_(part))
        rows |= {row.id: row for row in await connection.execute(select(_messages).where(*mine))}
    for part in chunks(ids):
        below = select(_messages.c.id, _messages.c.parent_id).where(_messages.c.parent_id.in_(part))
        for child in (await connection.execute(below)).all():
            parent = child.parent_id
            while parent in gone:
                parent = rows[parent].parent_id
            if child.id not in gone:
                await connection.execute(update(_messages).where(_messages.c.id == child.id).values(parent_id=parent))
    for part in chunks(ids):
        await connection.execute(delete(_messages).where(_messages.c.id.in_(part)))
    for conversation_id in dict.fromkeys(row.conversation_id for row in rows.values()):
        titles = {title_of(row.text) for row in rows.values() if row.conversation_id == conversation_id}
        await _untitle(connection, conversation_id, titles)


async def _untitle(connection: AsyncConnection, conversation_id: str, titles: Collection[str]) -> None:
    here = _conversations.c.id == conversation_id
    first = select(_messages.c.text).where(_messages.c.conversation_id == conversation_id, _messages.c.role == "user")
    text = (await connection.execute(first.order_by(_messages.c.seq).limit(1))).scalar_one_or_none()
    # The thread is a hash of what was said.
    await connection.execute(update(_conversations).where(here).values(thread=None))
    made = and_(here, _conversations.c.title.in_(titles))
    await connection.execute(update(_conversations).where(made).values(title=title_of(text or "")))


async def _drop_from_jobs(connection: AsyncConnection, going: Going, ids: Collection[str]) -> None:
    for part in chunks(going.jobs):
        for job in (await connection.execute(select(_jobs).where(_jobs.c.id.in_(part)))).all():
            kept = _without(job.payload, ids) if job.kind == REFLECT else None
            if kept is not None:
                await connection.execute(update(_jobs).where(_jobs.c.id == job.id).values(payload=kept))
            else:
                await connection.execute(delete(_jobs).where(_jobs.c.id == job.id))


def _without(payload: Mapping[str, Any], ids: Collection[str]) -> dict[str, Any] | None:
    """Return a reflection's payload without these messages; None when no other is left."""
    left = [id for id in payload.get("message_ids") or [] if id not in ids]
    if not left or payload.get("conversation_id") in ids:
        return None
    return {key: value for key, value in payload.items() if key in _PAYLOAD} | {"message_ids": left}


async def _delete_person(connection: AsyncConnection, person_id: str, job_id: str) -> None:
    for table, theirs in _tables_of(person_id, job_id, await _is_owner(connection, person_id)):
        await connection.execute(delete(table).where(theirs))


async def _is_owner(connection: AsyncConnection, person_id: str) -> bool:
    query = select(_users.c.slot).where(_users.c.id == person_id)
    slot: str | None = (await connection.execute(query)).scalar_one_or_none()
    return slot is not None


def _tables_of(person_id: str, job_id: str, owner: bool) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Yield every table with rows of a person, those that hang below others first, and which rows are theirs."""
    for table in reversed(tables.metadata.sorted_tables):
        if "person_id" not in table.c or (owner and table is tables.keys):
            continue
        theirs = table.c.person_id == person_id
        yield table, and_(theirs, _jobs.c.id != job_id) if table is _jobs else theirs


async def _count_person(connection: AsyncConnection, person_id: str, job_id: str) -> int:
    owner, found = await _is_owner(connection, person_id), 0
    for table, theirs in _tables_of(person_id, job_id, owner):
        found += int((await connection.execute(select(func.count()).select_from(table).where(theirs))).scalar_one())
    gone = select(func.count()).select_from(_users).where(_users.c.id == person_id, _users.c.slot.is_(None))
    return found + int((await connection.execute(gone)).scalar_one())
