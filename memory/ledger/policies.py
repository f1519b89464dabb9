"""The policies that may answer, and at which stage each is; at most one is live."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Row, select, update

from memory.database import Database
from memory.errors import ConflictError, NotFoundError
from memory.ledger import tables
from memory.ledger.insert import insert_new

Stage = Literal["registered", "staged", "canary", "live", "retired"]
Preset = Literal["full", "paper"]

_policies = tables.policies


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of what answers."""

    version: str
    preset: Preset
    prompt_hash: str
    """Of the prompt it was trained with; serving refuses a mismatch."""
    details: Mapping[str, Any]
    stage: Stage
    created_at: datetime
    updated_at: datetime


class Policies:
    """The policies of this installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, version: str, preset: Preset, prompt_hash: str, details: Mapping[str, Any] | None = None
    ) -> Policy:
        """Register a policy.

        Raises:
            ConflictError: the version is taken; a version never changes what it means.
        """
        now = datetime.now(UTC)
        policy = Policy(version, preset, prompt_hash, dict(details or {}), "registered", now, now)
        values = {name: getattr(policy, name) for name in Policy.__slots__}
        async with self._database.writing() as connection:
            if not await insert_new(connection, _policies, values):
                raise ConflictError(f"policy {version!r} is registered already: give the new one a new version")
        return policy

    async def get(self, version: str) -> Policy:
        """Return a policy.

        Raises:
            NotFoundError: there is none of that version.
        """
        async with self._database.reading() as connection:
            row = (await connection.execute(select(_policies).where(_policies.c.version == version))).one_or_none()
        if row is None:
            raise NotFoundError("policy", version)
        return _policy(row)

    async def list(self) -> builtins.list[Policy]:
        """Return all policies, oldest first."""
        query = select(_policies).order_by(_policies.c.created_at, _policies.c.version)
        async with self._database.reading() as connection:
            return [_policy(row) for row in await connection.execute(query)]

    async def live(self) -> Policy | None:
        """Return the policy that answers, or None when none was activated."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(_policies).where(_policies.c.stage == "live"))).one_or_none()
        return None if row is None else _policy(row)

    async def set_stage(self, version: str, stage: Stage) -> Policy:
        """Move a policy to a stage; making one live retires the one that was, in the same transaction.

        Raises:
            NotFoundError: there is none of that version.
        """
        now = datetime.now(UTC)
        this = _policies.c.version == version
        async with self._database.writing() as connection:
            # Two at once must not both find the other's place free.
            await connection.execute(select(_policies.c.version).order_by(_policies.c.version).with_for_update())
            if stage == "live":
                others = update(_policies).where(_policies.c.stage == "live", ~this)
                await connection.execute(others.values(stage="retired", updated_at=now))
            changed = await connection.execute(update(_policies).where(this).values(stage=stage, updated_at=now))
            if changed.rowcount == 0:
                raise NotFoundError("policy", version)
            return _policy((await connection.execute(select(_policies).where(this))).one())


def _policy(row: Row[Any]) -> Policy:
    return Policy(**{name: getattr(row, name) for name in Policy.__slots__})
