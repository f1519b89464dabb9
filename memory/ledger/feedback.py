"""What people think of replies; one opinion a reply, the newest counts."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Row, delete, select, update

from memory.database import Database
from memory.errors import ConflictError, NotFoundError
from memory.ledger import tables
from memory.ledger.evidence import chunks
from memory.ledger.insert import insert_new

Rating = Literal["up", "down"]

_feedback = tables.feedback


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a person thinks of one reply."""

    message_id: str
    person_id: str
    rating: Rating
    reason: str | None
    better: str | None
    """What the person would rather have read."""
    created_at: datetime
    updated_at: datetime


class Feedback:
    """The opinions of each person."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(
        self, person_id: str, message_id: str, rating: Rating, reason: str | None = None, better: str | None = None
    ) -> Opinion:
        """Store what a person thinks of a reply, in place of what they thought before.

        Raises:
            NotFoundError: the message is not this person's.
            ConflictError: it is not a reply.
        """
        now = datetime.now(UTC)
        table = tables.messages
        reply = select(table.c.role).where(table.c.person_id == person_id, table.c.id == message_id)
        changes: dict[str, Any] = {"rating": rating, "reason": reason, "better": better, "updated_at": now}
        mine = _feedback.c.message_id == message_id
        async with self._database.writing() as connection:
            role = (await connection.execute(reply)).scalar_one_or_none()
            if role is None:
                raise NotFoundError("message", message_id)
            if role != "assistant":
                raise ConflictError(f"message {message_id} is not a reply: feedback is about replies")
            values = {"message_id": message_id, "person_id": person_id, "created_at": now, **changes}
            if not await insert_new(connection, _feedback, values):
                await connection.execute(update(_feedback).where(mine).values(**changes))
            return _opinion((await connection.execute(select(_feedback).where(mine))).one())

    async def get(self, person_id: str, message_id: str) -> Opinion | None:
        """Return what a person thinks of a reply, or None when they did not say."""
        mine = (_feedback.c.person_id == person_id, _feedback.c.message_id == message_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(select(_feedback).where(*mine))).one_or_none()
        return None if row is None else _opinion(row)

    async def many(self, person_id: str, message_ids: Sequence[str]) -> Mapping[str, Opinion]:
        """Return what a person thinks of these messages, by message; those without an opinion are left out."""
        found: dict[str, Opinion] = {}
        async with self._database.reading() as connection:
            for part in chunks(message_ids):
                query = select(_feedback).where(_feedback.c.person_id == person_id, _feedback.c.message_id.in_(part))
                found.update({row.message_id: _opinion(row) for row in await connection.execute(query)})
        return found

    async def list(self, person_id: str) -> builtins.list[Opinion]:
        """Return everything a person thinks of replies, by reply, oldest first."""
        query = select(_feedback).where(_feedback.c.person_id == person_id).order_by(_feedback.c.message_id)
        async with self._database.reading() as connection:
            return [_opinion(row) for row in await connection.execute(query)]

    async def delete(self, person_id: str, message_id: str) -> bool:
        """Take an opinion back; False when there was none."""
        mine = (_feedback.c.person_id == person_id, _feedback.c.message_id == message_id)
        async with self._database.writing() as connection:
            return (await connection.execute(delete(_feedback).where(*mine))).rowcount == 1


def _opinion(row: Row[Any]) -> Opinion:
    return Opinion(**{name: getattr(row, name) for name in Opinion.__slots__})
