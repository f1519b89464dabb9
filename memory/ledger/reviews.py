"""What people say of facts that were inferred about them: right, or not.

A declined fact ends, is kept as history, and older messages do not teach it again. Saying the same again changes
nothing; a fact that has ended otherwise cannot be reviewed.
"""

from __future__ import annotations

import builtins
from datetime import UTC, datetime

from sqlalchemy import select, update

from memory.database import Database
from memory.errors import ConflictError, NotFoundError
from memory.ledger import tables
from memory.ledger.forgotten import note_forgotten

_facts = tables.facts


class Reviews:
    """The reviews of each person's facts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self, person_id: str, limit: int = 50) -> builtins.list[str]:
        """Return the ids of inferred facts that the person has not confirmed, newest first."""
        unseen = (_facts.c.status == "active", _facts.c.origin == "inferred", _facts.c.review.is_(None))
        query = select(_facts.c.id).where(_facts.c.person_id == person_id, *unseen)
        async with self._database.reading() as connection:
            return list((await connection.execute(query.order_by(_facts.c.id.desc()).limit(limit))).scalars())

    async def confirm(self, person_id: str, fact_id: str) -> None:
        """Note that a fact is right.

        Raises:
            NotFoundError: it is not this person's.
            ConflictError: it is not active.
        """
        mine = (_facts.c.person_id == person_id, _facts.c.id == fact_id)
        async with self._database.writing() as connection:
            row = (await connection.execute(select(_facts.c.status).where(*mine))).one_or_none()
            if row is None:
                raise NotFoundError("fact", fact_id)
            if row.status != "active":
                raise ConflictError(f"fact {fact_id} is not active: it cannot be confirmed")
            await connection.execute(update(_facts).where(*mine).values(review="confirmed"))

    async def decline(self, person_id: str, fact_id: str) -> None:
        """End a fact that is not right; the caller drops it from the index.

        Raises:
            NotFoundError: it is not this person's.
            ConflictError: it ended otherwise.
        """
        mine = (_facts.c.person_id == person_id, _facts.c.id == fact_id)
        async with self._database.writing() as connection:
            row = (await connection.execute(select(_facts).where(*mine))).one_or_none()
            if row is None:
                raise NotFoundError("fact", fact_id)
            if row.review == "declined":
                return
            if row.status != "active":
                raise ConflictError(f"fact {fact_id} is not active: it cannot be declined")
            ended = {"review": "declined", "status": "superseded", "valid_to": datetime.now(UTC)}
            await connection.execute(update(_facts).where(*mine).values(**ended))
            await note_forgotten(connection, person_id, [row.fingerprint])
