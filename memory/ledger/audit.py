"""Who did what to whom; written by whoever acts, never changed, never holding message text."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select

from memory.database import Database
from memory.ledger import tables

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
            return [
                AuditEntry(row.at, row.actor, row.action, row.subject, row.detail)
                for row in await connection.execute(query)
            ]
