"""Trait evidence: the single observations that a person's Big Five estimates are computed from."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, and_, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.database import Database
from memory.errors import NotFoundError
from memory.ids import new_id
from memory.ledger import tables
from memory.ledger.conversations import get_conversation
from memory.types import Evidence, NewTraitEvidence, Trait, TraitEvidence

_traits = tables.trait_evidence


class Traits:
    """The trait evidence of each person."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, person_id: str, conversation_id: str, new: NewTraitEvidence) -> TraitEvidence:
        """Store one observation; the same one again returns the first, so that a retried job counts once.

        Raises:
            NotFoundError: the conversation is not this person's, or the message not of this conversation.
        """
        async with self._database.writing() as connection:
            return await add_trait_evidence(connection, person_id, conversation_id, new)

    async def tell(
        self,
        person_id: str,
        told: Sequence[tuple[Trait, Literal[-1, 1], float]],
        source: Literal["questionnaire", "correction"],
        item: str,
        at: datetime,
    ) -> builtins.list[TraitEvidence]:
        """Store what the person says of themselves, as trait, direction and strength, all at once or not at all.

        Raises:
            NotFoundError: there is no such person.
        """
        rows = [
            {
                "id": new_id("trait"),
                "person_id": person_id,
                "quote": "",
                "trait": trait.value,
                "direction": direction,
                "strength": strength,
                "item": item,
                "source": source,
                "observed_at": at,
            }
            for trait, direction, strength in told
        ]
        async with self._database.writing() as connection:
            await require_person(connection, person_id)
            await connection.execute(insert(_traits), rows)
            query = select(_traits).where(_traits.c.id.in_([row["id"] for row in rows])).order_by(_traits.c.seq)
            return [_trait(row) for row in await connection.execute(query)]

    async def list(self, person_id: str) -> builtins.list[TraitEvidence]:
        """Return everything observed of a person, in the order it was stored."""
        query = select(_traits).where(_traits.c.person_id == person_id).order_by(_traits.c.seq)
        async with self._database.reading() as connection:
            return [_trait(row) for row in await connection.execute(query)]

    async def since(self, person_id: str, after: int) -> tuple[int, int, builtins.list[TraitEvidence]]:
        """Return how many observations of a person there are, the newest's number, and those beyond number `after`."""
        mine = _traits.c.person_id == person_id
        stamp = select(func.count(), func.coalesce(func.max(_traits.c.seq), 0)).where(mine)
        query = select(_traits).where(mine, _traits.c.seq > after).order_by(_traits.c.seq)
        async with self._database.reading() as connection:
            count, newest = (await connection.execute(stamp)).one()
            return count, newest, [_trait(row) for row in await connection.execute(query)]

    async def count(self, person_id: str) -> int:
        """Return how many observations there are of a person."""
        query = select(func.count()).select_from(_traits).where(_traits.c.person_id == person_id)
        async with self._database.reading() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def delete_for_message(self, person_id: str, message_id: str) -> int:
        """Withdraw what one message showed; return how much that was."""
        return await self._delete(and_(_traits.c.person_id == person_id, _traits.c.message_id == message_id))

    async def delete_all(self, person_id: str) -> int:
        """Withdraw everything observed of a person; return how much that was."""
        return await self._delete(_traits.c.person_id == person_id)

    async def _delete(self, where: Any) -> int:
        async with self._database.writing() as connection:
            return (await connection.execute(delete(_traits).where(where))).rowcount


async def require_person(connection: AsyncConnection, person_id: str) -> None:
    """Return when there is such a person.

    Raises:
        NotFoundError: there is none.
    """
    query = select(tables.users.c.id).where(tables.users.c.id == person_id)
    if (await connection.execute(query.with_for_update(key_share=True))).first() is None:
        raise NotFoundError("person", person_id)


async def add_trait_evidence(
    connection: AsyncConnection, person_id: str, conversation_id: str, new: NewTraitEvidence
) -> TraitEvidence:
    """Store one observation inside a transaction, as `Traits.add` does in one of its own."""
    await get_conversation(connection, person_id, conversation_id, lock=True)
    await _require_message(connection, conversation_id, new.evidence.message_id)
    same = and_(
        _traits.c.person_id == person_id,
        _traits.c.message_id == new.evidence.message_id,
        _traits.c.trait == new.trait.value,
        _traits.c.direction == new.direction,
        _traits.c.quote == new.evidence.quote,
        _traits.c.item.is_(None) if new.item is None else _traits.c.item == new.item,
    )
    row = (await connection.execute(select(_traits).where(same).limit(1))).one_or_none()
    if row is not None:
        return _trait(row)
    values = {
        "id": new_id("trait"),
        "person_id": person_id,
        "conversation_id": conversation_id,
        "message_id": new.evidence.message_id,
        "quote": new.evidence.quote,
        "trait": new.trait.value,
        "direction": new.direction,
        "strength": new.strength,
        "item": new.item,
        "source": new.source,
        "observed_at": new.observed_at,
    }
    await connection.execute(insert(_traits).values(**values))
    return _trait((await connection.execute(select(_traits).where(_traits.c.id == values["id"]))).one())


async def _require_message(connection: AsyncConnection, conversation_id: str, message_id: str) -> None:
    table = tables.messages
    query = select(table.c.id).where(table.c.conversation_id == conversation_id, table.c.id == message_id)
    if (await connection.execute(query)).first() is None:
        raise NotFoundError("message", message_id)


def _trait(row: Row[Any]) -> TraitEvidence:
    return TraitEvidence(
        id=row.id,
        person_id=row.person_id,
        trait=Trait(row.trait),
        direction=row.direction,
        strength=row.strength,
        evidence=Evidence(row.message_id or "", row.quote),
        conversation_id=row.conversation_id or "",
        observed_at=row.observed_at,
        item=row.item,
        source=row.source,
    )
