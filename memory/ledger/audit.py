"""Who did what to whom; written by whoever acts, never changed, never holding message text."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, insert, select

from memory.database import Database
from memory.ledger import tables
from memory.ledger.page import InvalidCursorError, from_cursor, to_cursor

_audit = tables.audit


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act."""

    at: datetime
    actor: str
    """The id of the key or person that acted, or `system`."""
    action: str
    subject: str
    """The id of what was acted on."""
    detail: Mapping[str, Any]


class Audit:
    """The record of acts; erasing a person leaves it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None) -> AuditEntry:
        """Add an act to the record."""
        entry = AuditEntry(datetime.now(UTC), actor, action, subject, dict(detail or {}))
        values = {name: getattr(entry, name) for name in AuditEntry.__slots__}
        async with self._database.writing() as connection:
            await connection.execute(insert(_audit).values(**values))
        return entry

    async def list(self, subject: str | None = None, limit: int = 100) -> builtins.list[AuditEntry]:
        """Return the newest acts, newest first, on one subject or on all."""
        query = select(_audit).order_by(_audit.c.seq.desc()).limit(limit)
        if subject is not None:
            query = query.where(_audit.c.subject == subject)
        async with self._database.reading() as connection:
            return [_entry(row) for row in await connection.execute(query)]

    async def page(
        self, cursor: str | None = None, limit: int = 100, *, subject: str | None = None, action: str | None = None
    ) -> tuple[builtins.list[AuditEntry], str | None]:
        """Return a page of acts, newest first, and the cursor of the next; on one subject, of one action, or all.

        Raises:
            InvalidCursorError: the cursor is none of this list.
        """
        query = select(_audit).order_by(_audit.c.seq.desc()).limit(limit + 1)
        if cursor is not None:
            query = query.where(_audit.c.seq < _position(cursor))
        if subject is not None:
            query = query.where(_audit.c.subject == subject)
        if action is not None:
            query = query.where(_audit.c.action == action)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        following = to_cursor(str(rows[limit - 1].seq)) if len(rows) > limit else None
        return [_entry(row) for row in rows[:limit]], following


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(row.at, row.actor, row.action, row.subject, row.detail)


def _position(cursor: str) -> int:
    [number] = from_cursor(cursor, 1)
    if not number.isascii() or not number.isdigit() or len(number) > 18:
        raise InvalidCursorError
    return int(number)
