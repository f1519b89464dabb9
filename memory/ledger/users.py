"""People: created by an operator, by an app that names them, or once for the local owner."""

from __future__ import annotations

import builtins
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.database import Database
from memory.errors import ConflictError, NotFoundError
from memory.ids import new_id
from memory.ledger import tables
from memory.ledger.datasets import mark_person
from memory.ledger.insert import insert_new
from memory.ledger.page import from_cursor, to_cursor
from memory.types import Person

_users = tables.users


class Users:
    """The people of this ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, external_id: str | None = None, app_key_id: str | None = None) -> Person:
        """Create a person.

        Raises:
            ConflictError: this app (or, without an app, the operator) already named somebody so.
        """
        async with self._database.writing() as connection:
            person, created = await _ensure(connection, external_id, app_key_id, slot=None)
        if not created:
            raise ConflictError(f"there is already a person with external id {external_id!r}: use that one")
        return person

    async def get(self, person_id: str) -> Person:
        """Return the person.

        Raises:
            NotFoundError: there is none of that id.
        """
        async with self._database.reading() as connection:
            row = (await connection.execute(select(_users).where(_users.c.id == person_id))).one_or_none()
        if row is None:
            raise NotFoundError("person", person_id)
        return _person(row)

    async def ensure_external(self, app_key_id: str, external_id: str) -> Person:
        """Return whom an app calls `external_id`, creating them the first time; safe to race."""
        named = (_users.c.app_key_id == app_key_id, _users.c.external_id == external_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(select(_users).where(*named))).one_or_none()
        if row is not None:
            return _person(row)
        async with self._database.writing() as connection:
            return (await _ensure(connection, external_id, app_key_id, slot=None))[0]

    async def by_external(self, external_id: str, app_key_id: str | None = None) -> Person:
        """Return whom an app, or without one the operator, calls `external_id`.

        Raises:
            NotFoundError: nobody is called so there.
        """
        named = (_users.c.app_key_id == (app_key_id or ""), _users.c.external_id == external_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(select(_users).where(*named))).one_or_none()
        if row is None:
            raise NotFoundError("person", external_id)
        return _person(row)

    async def owner(self) -> Person:
        """Return the one local owner, creating them the first time; safe to race."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(_users).where(_users.c.slot == "owner"))).one_or_none()
        if row is not None:
            return _person(row)
        async with self._database.writing() as connection:
            return (await _ensure(connection, None, None, slot="owner"))[0]

    async def list(self, cursor: str | None = None, limit: int = 50) -> tuple[builtins.list[Person], str | None]:
        """Return a page of people, oldest first, and the cursor of the next page."""
        query = select(_users).order_by(_users.c.id).limit(limit + 1)
        if cursor is not None:
            query = query.where(_users.c.id > from_cursor(cursor, 1)[0])
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        people = [_person(row) for row in rows[:limit]]
        return people, to_cursor(people[-1].id) if len(rows) > limit else None

    async def delete(self, person_id: str) -> None:
        """Delete a person and every row that is theirs; only the audit keeps that it was done.

        Raises:
            NotFoundError: there is none of that id.
        """
        async with self._database.writing() as connection:
            await mark_person(connection, person_id, "forgotten")
            result = await connection.execute(delete(_users).where(_users.c.id == person_id))
            if result.rowcount == 0:
                raise NotFoundError("person", person_id)


async def _ensure(
    connection: AsyncConnection, external_id: str | None, app_key_id: str | None, slot: str | None
) -> tuple[Person, bool]:
    values = {
        "id": new_id("per"),
        "app_key_id": app_key_id or "",
        "external_id": external_id,
        "slot": slot,
        "created_at": datetime.now(UTC),
    }
    created = await insert_new(connection, _users, values)
    if created:
        mine = _users.c.id == values["id"]
    elif slot is not None:
        mine = _users.c.slot == slot
    else:
        mine = (_users.c.app_key_id == values["app_key_id"]) & (_users.c.external_id == external_id)
    return _person((await connection.execute(select(_users).where(mine))).one()), created


def _person(row: Row[Any]) -> Person:
    return Person(id=row.id, created_at=row.created_at, external_id=row.external_id)
