"""An archive of one person put into the ledger, wholly or not at all; doing it again adds nothing.

Things get ids of this person's own, made from the old ones, so that an archive of somebody else can neither reach nor
block what is here. What the person has already stays as it is: settings they chose, consents, a fact they hold under
another id (which gains the quotes), conversations that are there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from memory import archive
from memory.database import Database
from memory.ids import is_id, moved_id
from memory.ledger import tables
from memory.ledger.evidence import add_evidence
from memory.ledger.facts import fingerprint
from memory.ledger.insert import insert_new
from memory.ledger.jobs import insert_job
from memory.ledger.traits import require_person
from memory.types import Evidence


@dataclass(frozen=True, slots=True)
class Restored:
    """How much an archive brought that was not there."""

    conversations: int = 0
    messages: int = 0
    observations: int = 0
    jobs: int = 0
    settings: bool = False
    facts: tuple[str, ...] = ()


class Restoring:
    """Puts archives into the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def restore(self, person_id: str, held: archive.Archive) -> Restored:
        """Store what is not there yet, in one transaction; the caller indexes the facts.

        Raises:
            NotFoundError: there is no such person.
            LedgerError: it cannot be stored; nothing was.
        """
        async with self._database.writing() as connection:
            await require_person(connection, person_id)
            restoring = _Restoring(connection, person_id)
            new = await restoring.conversations(held)
            facts = await restoring.facts(held)
            await restoring.forgotten(held)
            observations = await restoring.traits(held)
            return Restored(
                conversations=len(new),
                messages=sum(len(one.messages) for one in new),
                observations=observations,
                jobs=await restoring.unlearned(new),
                settings=await restoring.settings(held.person),
                facts=facts,
            )


@dataclass(slots=True)
class _Restoring:
    """One archive on its way in."""

    connection: AsyncConnection
    person_id: str
    ids: dict[str, str] = field(default_factory=dict)
    """What things of the archive are called here, where that is not their moved id."""
    seqs: dict[str, int] = field(default_factory=dict)
    """The numbers of the person's messages, once the archive's are among them."""

    def moved(self, id: str) -> str:
        return self.ids.get(id) or moved_id(id, self.person_id)

    async def theirs(self, table: Table) -> set[str]:
        query = select(table.c.id).where(table.c.person_id == self.person_id)
        return set((await self.connection.execute(query)).scalars())

    async def keep(self, table: Table, ids: list[str]) -> set[str]:
        """Return those of the ids that are there already, by themselves or moved; the former keep their names."""
        present = await self.theirs(table)
        self.ids.update({id: id for id in ids if id in present})
        return {id for id in ids if self.moved(id) in present}

    async def conversations(self, held: archive.Archive) -> list[archive.Conversation]:
        present = await self.keep(tables.conversations, [one.id for one in held.conversations])
        await self.keep(tables.messages, [said.id for one in held.conversations for said in one.messages])
        new = [one for one in held.conversations if one.id not in present]
        rows = [_columns(one, "messages", "unlearned") for one in new]
        rows = [{**row, "id": self.moved(row["id"]), "person_id": self.person_id, "incognito": False} for row in rows]
        await self._insert(tables.conversations, rows)
        said = sorted(((one.id, message) for one in new for message in one.messages), key=lambda pair: pair[1].place)
        await self._insert(tables.messages, [self._message(id, message) for id, message in said])
        opinions = [(message.id, message.feedback) for _, message in said if message.feedback is not None]
        rows = [{**_columns(opinion), "message_id": self.moved(id)} for id, opinion in opinions]
        await self._insert(tables.feedback, [{**row, "person_id": self.person_id} for row in rows])
        query = select(tables.messages.c.id, tables.messages.c.seq)
        query = query.where(tables.messages.c.person_id == self.person_id)
        self.seqs = {row.id: row.seq for row in await self.connection.execute(query)}
        return new

    def _message(self, conversation_id: str, message: archive.Message) -> dict[str, Any]:
        return {
            **_columns(message, "place", "feedback"),
            "id": self.moved(message.id),
            "person_id": self.person_id,
            "conversation_id": self.moved(conversation_id),
            "parent_id": None if message.parent_id is None else self.moved(message.parent_id),
            "explanation": self._renamed(message.explanation),
        }

    def _renamed(self, value: Any) -> Any:
        """Return what explains a reply with the ids of this person in the place of the old ones."""
        if isinstance(value, str):
            return self.moved(value) if is_id(value) else value
        if isinstance(value, list):
            return [self._renamed(part) for part in value]
        if isinstance(value, dict):
            return {key: self._renamed(part) for key, part in value.items()}
        return value

    async def unlearned(self, new: list[archive.Conversation]) -> int:
        jobs = 0
        for conversation in new:
            for batch in conversation.unlearned:
                ids = [self.moved(id) for id in batch]
                payload = {"conversation_id": self.moved(conversation.id), "message_ids": ids}
                await insert_job(self.connection, self.person_id, "reflect", payload)
                jobs += 1
        return jobs

    async def facts(self, held: archive.Archive) -> tuple[str, ...]:
        facts = held.memories.facts
        present = await self.keep(tables.facts, [fact.id for fact in facts])
        await self._find_same([fact for fact in facts if fact.id not in present and fact.status == "active"])
        added = []
        for fact in facts:
            evidence = [Evidence(self.moved(one.message_id), one.quote) for one in fact.evidence]
            evidence = [one for one in evidence if one.message_id in self.seqs]
            if fact.id in present or (fact.evidence and not evidence):
                continue  # it is there, or the messages behind it were forgotten here
            if fact.id not in self.ids:
                row = {**_columns(fact, "evidence"), "id": self.moved(fact.id), "kind": fact.kind.value}
                after = None if fact.superseded_by is None else self.moved(fact.superseded_by)
                row |= {"superseded_by": after, "person_id": self.person_id, "fingerprint": fingerprint(fact.text)}
                await self._insert(tables.facts, [row])
                added.append(self.moved(fact.id))
            await add_evidence(self.connection, self.person_id, self.moved(fact.id), evidence)
        return tuple(added)

    async def _find_same(self, facts: list[archive.Fact]) -> None:
        table = tables.facts
        query = select(table.c.fingerprint, table.c.id).where(
            table.c.person_id == self.person_id, table.c.status == "active"
        )
        same = {row.fingerprint: row.id for row in await self.connection.execute(query)}
        for fact in facts:
            known = same.get(fingerprint(fact.text))
            if known is not None:
                self.ids[fact.id] = known
            else:
                same[fingerprint(fact.text)] = self.moved(fact.id)

    async def forgotten(self, held: archive.Archive) -> None:
        table = tables.forgotten_facts
        query = select(table.c.digest).where(table.c.person_id == self.person_id)
        known = set((await self.connection.execute(query)).scalars())
        rows = [
            {"salt": one.salt, "digest": one.digest, "message_seq": self._until(one.until)}
            for one in held.memories.forgotten
            if one.digest not in known
        ]
        await self._insert(table, [{**row, "person_id": self.person_id} for row in rows])

    def _until(self, message_id: str | None) -> int:
        return 0 if message_id is None else self.seqs.get(self.moved(message_id), 0)

    async def traits(self, held: archive.Archive) -> int:
        table, observations = tables.trait_evidence, held.traits.observations
        present = await self.keep(table, [one.id for one in observations])
        rows = [
            {
                **_columns(one),
                "id": self.moved(one.id),
                "person_id": self.person_id,
                "trait": one.trait.value,
                "conversation_id": one.conversation_id and self.moved(one.conversation_id),
                "message_id": one.message_id and self.moved(one.message_id),
            }
            for one in observations
            if one.id not in present and (one.message_id is None or self.moved(one.message_id) in self.seqs)
        ]
        await self._insert(table, rows)
        for control in held.traits.controls:
            until = self._until(control.withdrawn_until) if control.withdrawn else None
            row = {"trait": control.trait.value, "frozen_at": control.frozen_at, "forgotten_to": until}
            await insert_new(self.connection, tables.trait_controls, {**row, "person_id": self.person_id})
        return len(rows)

    async def settings(self, person: archive.Person) -> bool:
        restored = False
        if person.settings is not None:
            row = {**_columns(person.settings), "person_id": self.person_id, "updated_at": datetime.now(UTC)}
            restored = await insert_new(self.connection, tables.settings, row)
        table = tables.consents
        some = select(table.c.seq).where(table.c.person_id == self.person_id).limit(1)
        if (await self.connection.execute(some)).first() is None:
            await self._insert(table, [{**_columns(one), "person_id": self.person_id} for one in person.consents])
        return restored

    async def _insert(self, table: Table, rows: list[dict[str, Any]]) -> None:
        if rows:
            await self.connection.execute(insert(table), rows)


def _columns(part: Any, *without: str) -> dict[str, Any]:
    return {name: getattr(part, name) for name in type(part).model_fields if name not in without}
