"""What each person decides about each of their traits: that it stands still, and that what was said is left out.

Withdrawing deletes the evidence and remembers how far the messages went, so that reflecting on the same messages again
(a retried job, a repeated import) teaches nothing about the trait.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.database import Database
from memory.ledger import tables
from memory.ledger.insert import insert_new
from memory.ledger.traits import require_person
from memory.types import NewTraitEvidence, Trait

_controls = tables.trait_controls


class TraitControls:
    """The decisions of each person; who decided nothing has none."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def frozen(self, person_id: str) -> dict[Trait, datetime]:
        """Return since when which traits stand still."""
        query = select(_controls).where(_controls.c.person_id == person_id, _controls.c.frozen_at.is_not(None))
        async with self._database.reading() as connection:
            return {Trait(row.trait): row.frozen_at for row in await connection.execute(query)}

    async def freeze(self, person_id: str, trait: Trait, at: datetime) -> None:
        """Let a trait stand still from `at` on; one that does already keeps its time.

        Raises:
            NotFoundError: there is no such person.
        """
        async with self._database.writing() as connection:
            await _require_row(connection, person_id, trait)
            moving = and_(_mine(person_id, trait), _controls.c.frozen_at.is_(None))
            await connection.execute(update(_controls).where(moving).values(frozen_at=at))

    async def unfreeze(self, person_id: str, trait: Trait) -> None:
        """Let a trait move again.

        Raises:
            NotFoundError: there is no such person.
        """
        async with self._database.writing() as connection:
            await _require_row(connection, person_id, trait)
            await connection.execute(update(_controls).where(_mine(person_id, trait)).values(frozen_at=None))

    async def withdraw(self, person_id: str, traits: Collection[Trait]) -> int:
        """Delete all evidence of these traits, and return how much that was; the same messages teach it no more.

        Raises:
            NotFoundError: there is no such person.
        """
        messages, evidence = tables.messages, tables.trait_evidence
        newest = select(func.coalesce(func.max(messages.c.seq), 0)).where(messages.c.person_id == person_id)
        of_these = evidence.c.trait.in_([trait.value for trait in traits])
        async with self._database.writing() as connection:
            for trait in traits:
                await _require_row(connection, person_id, trait)
            forgotten_to = (await connection.execute(newest)).scalar_one()
            rows = _controls.c.person_id == person_id, _controls.c.trait.in_([trait.value for trait in traits])
            await connection.execute(update(_controls).where(*rows).values(forgotten_to=forgotten_to))
            return (
                await connection.execute(delete(evidence).where(evidence.c.person_id == person_id, of_these))
            ).rowcount


async def learnable(
    connection: AsyncConnection, person_id: str, observed: Sequence[NewTraitEvidence]
) -> list[NewTraitEvidence]:
    """Return those of the observations that rest on messages from after the person last withdrew the trait."""
    query = select(_controls).where(_controls.c.person_id == person_id, _controls.c.forgotten_to.is_not(None))
    limits = {Trait(row.trait): row.forgotten_to for row in await connection.execute(query)}
    if not limits or not observed:
        return list(observed)
    messages = tables.messages
    ids = {one.evidence.message_id for one in observed}
    found = await connection.execute(
        select(messages.c.id, messages.c.seq).where(messages.c.person_id == person_id, messages.c.id.in_(ids))
    )
    places: dict[str, int] = {row.id: row.seq for row in found}
    return [one for one in observed if places.get(one.evidence.message_id, 0) > limits.get(one.trait, -1)]


def _mine(person_id: str, trait: Trait) -> ColumnElement[bool]:
    return and_(_controls.c.person_id == person_id, _controls.c.trait == trait.value)


async def _require_row(connection: AsyncConnection, person_id: str, trait: Trait) -> None:
    await require_person(connection, person_id)
    await insert_new(connection, _controls, {"person_id": person_id, "trait": trait.value})
