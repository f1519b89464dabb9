"""What each person allows and prefers, and the record of every consent they gave or withdrew."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.database import Database
from memory.errors import NotFoundError
from memory.ledger import tables
from memory.ledger.datasets import mark_person
from memory.ledger.insert import insert_new
from memory.types import Settings

PURPOSES = ("memory", "persona", "training")
"""The settings that are consents; their every change is kept with its time."""

_PAGE = 200
_settings = tables.settings
_FIELDS = tuple(field.name for field in dataclasses.fields(Settings))


@dataclass(frozen=True, slots=True)
class Consent:
    """One change of mind about one purpose."""

    purpose: str
    granted: bool
    at: datetime


class PersonSettings:
    """The settings of each person; who never chose has the defaults."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, person_id: str) -> Settings:
        """Return a person's settings.

        Raises:
            NotFoundError: there is no such person.
        """
        async with self._database.reading() as connection:
            return await _get(connection, person_id)

    async def update(self, person_id: str, **changes: Any) -> Settings:
        """Change the named settings and return all; None is a value where the setting allows it.

        Withdrawing the consent to training marks the rows of data sets that were made from what the person said.

        Raises:
            NotFoundError: there is no such person.
            TypeError: a name is no setting.
        """
        if unknown := sorted(set(changes) - set(_FIELDS)):
            raise TypeError(f"no such setting: {', '.join(unknown)}")
        now = datetime.now(UTC)
        async with self._database.writing() as connection:
            before = await _get(connection, person_id, lock=True)
            after = dataclasses.replace(before, **changes)
            values = {"person_id": person_id, "updated_at": now, **dataclasses.asdict(after)}
            if not await insert_new(connection, _settings, values):
                await connection.execute(update(_settings).where(_settings.c.person_id == person_id).values(**values))
            for purpose in PURPOSES:
                if getattr(before, purpose) != getattr(after, purpose):
                    row = {"person_id": person_id, "purpose": purpose, "granted": getattr(after, purpose), "at": now}
                    await connection.execute(insert(tables.consents).values(**row))
            if before.training and not after.training:
                await mark_person(connection, person_id, "withdrawn")
        return after

    async def retention(self) -> list[tuple[str, int]]:
        """Return the people who limit how long things are kept, and their days."""
        query = select(_settings.c.person_id, _settings.c.retention_days).where(_settings.c.retention_days.is_not(None))
        async with self._database.reading() as connection:
            return [(row.person_id, row.retention_days) for row in await connection.execute(query)]

    async def consenting(self, purpose: Literal["memory", "persona", "training"]) -> AsyncIterator[str]:
        """Yield the ids of the people who chose to allow this, in their order, holding no connection meanwhile."""
        last = ""
        while True:
            allowed = (_settings.c[purpose].is_(True), _settings.c.person_id > last)
            query = select(_settings.c.person_id).where(*allowed).order_by(_settings.c.person_id).limit(_PAGE)
            async with self._database.reading() as connection:
                page = list((await connection.execute(query)).scalars())
            for person_id in page:
                yield person_id
            if len(page) < _PAGE:
                return
            last = page[-1]

    async def consents(self, person_id: str) -> list[Consent]:
        """Return every consent given or withdrawn, oldest first; the defaults are not among them."""
        table = tables.consents
        query = select(table).where(table.c.person_id == person_id).order_by(table.c.seq)
        async with self._database.reading() as connection:
            return [Consent(row.purpose, row.granted, row.at) for row in await connection.execute(query)]


# Made once: every turn asks several times.
_LOCKED = select(tables.users.c.id).where(tables.users.c.id == bindparam("person_id")).with_for_update(key_share=True)
_SETTINGS = (
    select(_settings)
    .select_from(tables.users.outerjoin(_settings, _settings.c.person_id == tables.users.c.id))
    .where(tables.users.c.id == bindparam("person_id"))
)


async def _get(connection: AsyncConnection, person_id: str, *, lock: bool = False) -> Settings:
    given = {"person_id": person_id}
    if lock and (await connection.execute(_LOCKED, given)).first() is None:
        raise NotFoundError("person", person_id)
    row = (await connection.execute(_SETTINGS, given)).one_or_none()
    if row is None:
        raise NotFoundError("person", person_id)
    return Settings() if row.person_id is None else _values(row)


def _values(row: Row[Any]) -> Settings:
    return Settings(**{name: getattr(row, name) for name in _FIELDS})
