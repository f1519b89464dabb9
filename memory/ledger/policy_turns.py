"""How the turns of each policy went since the last canary began, and what people made of its replies: counts only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, case, func, select, update

from memory.database import Database
from memory.ledger import tables
from memory.ledger.insert import insert_new

Outcome = Literal["answered", "failed"]
Turn = tuple[str, Outcome, int]
"""Version, outcome, and the class of the time to the first token: its upper end in milliseconds."""

_turns, _messages, _feedback = tables.policy_turns, tables.messages, tables.feedback


@dataclass(frozen=True, slots=True)
class Usage:
    """What became of the replies of one version."""

    replies: int = 0
    partial: int = 0
    """Stopped, or broken off."""
    retracted: int = 0
    regenerated: int = 0
    """Replies after which the person asked for another one."""
    liked: int = 0
    disliked: int = 0


class PolicyTurns:
    """The turns of all policies, of all processes together."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, counted: Mapping[Turn, int]) -> None:
        """Add turns to what was counted."""
        async with self._database.writing() as connection:
            for (version, outcome, first_token_ms), turns in counted.items():
                values = {"version": version, "outcome": outcome, "first_token_ms": first_token_ms, "turns": turns}
                if not await insert_new(connection, _turns, values):
                    mine = (_turns.c[name] == values[name] for name in ("version", "outcome", "first_token_ms"))
                    await connection.execute(update(_turns).where(*mine).values(turns=_turns.c.turns + turns))

    async def counted(self) -> dict[Turn, int]:
        """Return what was counted since the canary began."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(_turns))
            return {(row.version, row.outcome, row.first_token_ms): row.turns for row in rows}

    async def usage(self) -> dict[str, Usage]:
        """Return what became of every version's replies, by version; it reads all messages."""
        version = _messages.c.explanation["policy_version"].as_string()
        later = _messages.alias("later")
        again = select(later.c.seq).where(
            later.c.parent_id == _messages.c.parent_id, later.c.role == "assistant", later.c.seq > _messages.c.seq
        )

        def number(condition: ColumnElement[bool]) -> ColumnElement[int]:
            return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

        query = (
            select(
                version.label("version"),
                func.count().label("replies"),
                number(_messages.c.status == "partial").label("partial"),
                number(_messages.c.status == "retracted").label("retracted"),
                number(again.exists()).label("regenerated"),
                number(_feedback.c.rating == "up").label("liked"),
                number(_feedback.c.rating == "down").label("disliked"),
            )
            .select_from(_messages.outerjoin(_feedback, _feedback.c.message_id == _messages.c.id))
            .where(_messages.c.role == "assistant", version.is_not(None))
            .group_by(version)
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(query)
            return {row.version: Usage(*(int(getattr(row, name)) for name in Usage.__slots__)) for row in rows}
