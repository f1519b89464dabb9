"""When people wrote: times alone, for what depends on how long somebody has been here."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from memory.database import Database
from memory.ledger import tables

_messages = tables.messages


class Presence:
    """The times of each person's messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def times(self, person_id: str, since: datetime, until: datetime) -> list[datetime]:
        """Return when this person wrote between two times, both included, oldest first."""
        query = (
            select(_messages.c.created_at)
            .where(
                _messages.c.person_id == person_id,
                _messages.c.role == "user",
                _messages.c.created_at >= since,
                _messages.c.created_at <= until,
            )
            .order_by(_messages.c.created_at)
        )
        async with self._database.reading() as connection:
            return [row.created_at for row in await connection.execute(query)]
