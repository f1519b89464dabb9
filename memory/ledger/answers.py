"""What jobs answered, for whoever waits in another process than the one that ran them: ids and counts, never words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, select

from memory.database import Database
from memory.ledger import tables
from memory.ledger.insert import insert_new

KEPT = timedelta(hours=1)
"""Nobody waits longer for an answer."""

_answers = tables.job_answers


class Answers:
    """The answers of this ledger, each read once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, job_id: str, answer: Mapping[str, Any]) -> None:
        """Leave an answer; the first one stands."""
        async with self._database.writing() as connection:
            old = _answers.c.created_at < datetime.now(UTC) - KEPT
            await connection.execute(delete(_answers).where(old))
            values = {"job_id": job_id, "answer": dict(answer), "created_at": datetime.now(UTC)}
            await insert_new(connection, _answers, values)

    async def take(self, job_id: str) -> Mapping[str, Any] | None:
        """Return an answer and delete it; None when there is none."""
        mine = _answers.c.job_id == job_id
        async with self._database.reading() as connection:
            found: Mapping[str, Any] | None = (
                await connection.execute(select(_answers.c.answer).where(mine))
            ).scalar_one_or_none()
        if found is not None:
            async with self._database.writing() as connection:
                await connection.execute(delete(_answers).where(mine))
        return found
