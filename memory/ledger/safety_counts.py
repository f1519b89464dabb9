"""How often people in distress were noticed and shown where to turn: counts by day, without a person or a word.

What the yearly report is made from; erasing a person changes nothing here, because nothing here is theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import func, select, update

from memory.database import Database
from memory.ledger import tables
from memory.ledger.insert import insert_new
from memory.types import CrisisLevel

SafetyEvent = Literal["screened", "card", "replaced"]
"""A message was screened at a level of concern or more, a resource card was shown, an unsafe reply was replaced."""

_counts = tables.safety_counts


@dataclass(frozen=True, slots=True)
class SafetyCount:
    """How often one thing happened at one level in a span of time."""

    event: SafetyEvent
    level: CrisisLevel
    count: int


class SafetyCounts:
    """The counts of this ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, event: SafetyEvent, level: CrisisLevel, at: datetime | None = None) -> None:
        """Count one event on the day it happened (UTC); now by default."""
        day = (at or datetime.now(UTC)).astimezone(UTC).date().isoformat()
        same = (_counts.c.day == day, _counts.c.event == event, _counts.c.level == level)
        async with self._database.writing() as connection:
            values = {"day": day, "event": event, "level": level, "count": 1}
            if not await insert_new(connection, _counts, values):
                await connection.execute(update(_counts).where(*same).values(count=_counts.c.count + 1))

    async def of_year(self, year: int) -> list[SafetyCount]:
        """Return the sums of a calendar year (UTC); what never happened is not among them."""
        query = (
            select(_counts.c.event, _counts.c.level, func.sum(_counts.c.count).label("total"))
            .where(_counts.c.day >= f"{year:04}-01-01", _counts.c.day <= f"{year:04}-12-31")
            .group_by(_counts.c.event, _counts.c.level)
            .order_by(_counts.c.event, _counts.c.level)
        )
        async with self._database.reading() as connection:
            return [SafetyCount(row.event, row.level, int(row.total)) for row in await connection.execute(query)]
