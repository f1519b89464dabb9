"""Everything the ledger holds about a person, read as one archive in one consistent state.

Incognito conversations are left out: they leave nothing behind. Jobs are not held for the person's sake and are left
out too, but for what was still to be learned from. What an archive holds beside (keys, acts) is not restored.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from memory import archive
from memory.database import Database
from memory.ledger import tables
from memory.ledger.traits import require_person

_REFLECT = "reflect"
_UNFINISHED = ("pending", "running", "failed")


class Holdings:
    """Reads what is held about a person."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, person_id: str) -> archive.Archive:
        """Return everything held about a person.

        Raises:
            NotFoundError: there is no such person.
        """
        async with self._database.reading() as connection:
            await require_person(connection, person_id)
            messages = await _messages(connection, person_id)
            timeline = _Timeline(messages)
            return archive.Archive(
                person=await _person(connection, person_id),
                conversations=await _conversations(connection, person_id, messages),
                memories=await _memories(connection, person_id, timeline),
                traits=await _traits(connection, person_id, timeline),
                account=await _account(connection, person_id),
            )


class _Timeline:
    """The order in which the messages were stored."""

    def __init__(self, messages: Sequence[Any]) -> None:
        self._seqs = [row.seq for row in messages]
        self._ids = [row.id for row in messages]

    def until(self, seq: int | None) -> str | None:
        """Return the newest message up to this number."""
        at = 0 if seq is None else bisect_right(self._seqs, seq)
        return self._ids[at - 1] if at else None


async def _rows(connection: AsyncConnection, table: Table, person_id: str, *order: Any) -> list[Any]:
    query = select(table).where(table.c.person_id == person_id).order_by(*order)
    return list((await connection.execute(query)).all())


async def _messages(connection: AsyncConnection, person_id: str) -> list[Any]:
    messages, conversations = tables.messages, tables.conversations
    query = select(messages).join(conversations, conversations.c.id == messages.c.conversation_id)
    query = query.where(messages.c.person_id == person_id, conversations.c.incognito.is_(False))
    return list((await connection.execute(query.order_by(messages.c.seq))).all())


async def _person(connection: AsyncConnection, person_id: str) -> archive.Person:
    chosen = await _rows(connection, tables.settings, person_id)
    consents = await _rows(connection, tables.consents, person_id, tables.consents.c.seq)
    return archive.Person(
        settings=archive.Settings(**_fields(chosen[0], archive.Settings)) if chosen else None,
        consents=tuple(archive.Consent(**_fields(row, archive.Consent)) for row in consents),
    )


async def _conversations(
    connection: AsyncConnection, person_id: str, messages: Sequence[Any]
) -> tuple[archive.Conversation, ...]:
    table = tables.conversations
    opinions = {row.message_id: row for row in await _rows(connection, tables.feedback, person_id)}
    unlearned = await _unlearned(connection, person_id, {row.id for row in messages})
    said: defaultdict[str, list[archive.Message]] = defaultdict(list)
    for place, row in enumerate(messages, start=1):
        opinion = opinions.get(row.id)
        feedback = None if opinion is None else archive.Opinion(**_fields(opinion, archive.Opinion))
        fields = {**_fields(row, archive.Message), "place": place, "feedback": feedback}
        said[row.conversation_id].append(archive.Message(**fields))
    return tuple(
        archive.Conversation(
            **_fields(row, archive.Conversation), messages=tuple(said[row.id]), unlearned=tuple(unlearned[row.id])
        )
        for row in await _rows(connection, table, person_id, table.c.created_at, table.c.id)
        if not row.incognito
    )


async def _unlearned(
    connection: AsyncConnection, person_id: str, known: set[str]
) -> Mapping[str, list[tuple[str, ...]]]:
    table, found = tables.jobs, defaultdict(list)
    for job in await _rows(connection, table, person_id, table.c.seq):
        ids = tuple(id for id in job.payload.get("message_ids") or () if id in known)
        if job.kind == _REFLECT and job.status in _UNFINISHED and ids:
            found[str(job.payload.get("conversation_id"))].append(ids)
    return found


async def _memories(connection: AsyncConnection, person_id: str, timeline: _Timeline) -> archive.Memories:
    quotes: defaultdict[str, list[archive.Quote]] = defaultdict(list)
    for row in await _rows(connection, tables.fact_evidence, person_id, tables.fact_evidence.c.seq):
        quotes[row.fact_id].append(archive.Quote(message_id=row.message_id, quote=row.quote))
    facts = tuple(
        archive.Fact(**_fields(row, archive.Fact), evidence=tuple(quotes[row.id]))
        for row in await _rows(connection, tables.facts, person_id, tables.facts.c.id)
    )
    forgotten = tuple(
        archive.Forgotten(salt=row.salt, digest=row.digest, until=timeline.until(row.message_seq))
        for row in await _rows(connection, tables.forgotten_facts, person_id, tables.forgotten_facts.c.seq)
    )
    return archive.Memories(facts=facts, forgotten=forgotten)


async def _traits(connection: AsyncConnection, person_id: str, timeline: _Timeline) -> archive.Traits:
    observations = tuple(
        archive.Observation(**_fields(row, archive.Observation))
        for row in await _rows(connection, tables.trait_evidence, person_id, tables.trait_evidence.c.seq)
    )
    controls = tuple(
        archive.Control(
            trait=row.trait,
            frozen_at=row.frozen_at,
            withdrawn=row.forgotten_to is not None,
            withdrawn_until=timeline.until(row.forgotten_to),
        )
        for row in await _rows(connection, tables.trait_controls, person_id, tables.trait_controls.c.trait)
    )
    return archive.Traits(observations=observations, controls=controls)


async def _account(connection: AsyncConnection, person_id: str) -> archive.Account:
    keys = await _rows(connection, tables.keys, person_id, tables.keys.c.created_at)
    audit = tables.audit
    acts = await connection.execute(select(audit).where(audit.c.subject == person_id).order_by(audit.c.seq))
    sets = await _rows(connection, tables.dataset_people, person_id, tables.dataset_people.c.dataset_id)
    return archive.Account(
        keys=tuple(archive.Key(**_fields(row, archive.Key)) for row in keys),
        acts=tuple(archive.Act(**_fields(row, archive.Act)) for row in acts),
        data_sets=tuple(row.dataset_id for row in sets),
    )


def _fields(row: Any, part: type[Any]) -> dict[str, Any]:
    """Return those columns of a row that the part of the archive names alike."""
    columns = row._mapping
    return {name: columns[name] for name in part.model_fields if name in columns}
