"""The policies that may answer, and which of them does: the stages are the pointers.

At most one is live, one canary, one previous, whatever several processes do at once; from the first activation on there
is always a live one, because nothing takes that place away without giving it to another in the same transaction. Every
change is written into the audit in the transaction that makes it. Whether a policy deserves its stage is not decided
here.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.database import Database
from memory.errors import ConflictError, NotFoundError
from memory.ledger import tables
from memory.ledger.insert import insert_new

Stage = Literal["candidate", "canary", "live", "previous", "retired"]
"""`previous` was live before and stays loaded, so that rolling back is a pointer."""
Kind = Literal["lora", "full", "configured"]
"""`configured` is the model of the configuration, as what a first activation replaces."""
Preset = Literal["full", "paper"]

_policies, _turns = tables.policies, tables.policy_turns
_datasets, _people = tables.datasets, tables.dataset_people
_IN_USE: tuple[Stage, ...] = ("canary", "live", "previous")


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of what answers."""

    version: str
    kind: Kind
    preset: Preset
    prompt_hash: str
    """Of the prompt it was trained with; serving refuses a mismatch."""
    details: Mapping[str, Any]
    """Where it is, where it came from and what was measured of it; `assistant.policies` says in which form."""
    stage: Stage
    canary_percent: float | None
    data_manifest: str | None
    """The hash of the data set's manifest it was trained on."""
    tainted_at: datetime | None
    """The day since which somebody whose data it saw is erased: it needs retraining."""
    created_at: datetime
    updated_at: datetime


class Policies:
    """The policies of this installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        version: str,
        preset: Preset,
        prompt_hash: str,
        details: Mapping[str, Any] | None = None,
        *,
        kind: Kind = "full",
        data_manifest: str | None = None,
        actor: str = "system",
    ) -> Policy:
        """Register a candidate.

        Raises:
            ConflictError: the version is taken; a version never changes what it means.
        """
        async with self._database.writing() as connection:
            values = _candidate(version, kind, preset, prompt_hash, details or {}, data_manifest)
            if not await insert_new(connection, _policies, values):
                raise ConflictError(f"policy {version!r} is registered already: give the new one a new version")
            await _audit(connection, actor, "policy.register", version, {"kind": kind})
            return await _get(connection, version)

    async def get(self, version: str) -> Policy:
        """Return a policy.

        Raises:
            NotFoundError: there is none of that version.
        """
        async with self._database.reading() as connection:
            return await _get(connection, version)

    async def list(self) -> builtins.list[Policy]:
        """Return all policies, oldest first."""
        query = select(_policies).order_by(_policies.c.created_at, _policies.c.version)
        async with self._database.reading() as connection:
            return [_policy(row) for row in await connection.execute(query)]

    async def in_use(self) -> dict[Stage, Policy]:
        """Return the live, canary and previous policy, by stage; cheap enough to ask several times a second."""
        query = select(_policies).where(_policies.c.stage.in_(_IN_USE))
        async with self._database.reading() as connection:
            found = [_policy(row) for row in await connection.execute(query)]
        return {policy.stage: policy for policy in found}

    async def live(self) -> Policy | None:
        """Return the policy that answers, or None when none was activated."""
        return (await self.in_use()).get("live")

    async def start_canary(self, version: str, percent: float, actor: str) -> Policy:
        """Let a policy answer a share of the conversations; another canary becomes a candidate again.

        Calling it for the canary changes its share; for another policy the counted turns begin anew.

        Raises:
            NotFoundError: there is none of that version.
            ConflictError: it is live or previous.
        """
        async with self._database.writing() as connection:
            policy = await _locked(connection, version)
            if policy.stage in ("live", "previous"):
                raise ConflictError(f"policy {version!r} is {policy.stage}: a canary is a policy that does not answer")
            if policy.stage != "canary":
                await _move(connection, "canary", "candidate")
                await connection.execute(delete(_turns))
            await _set(connection, version, stage="canary", canary_percent=percent)
            await _audit(connection, actor, "policy.canary", version, {"percent": percent})
            return await _get(connection, version)

    async def stop_canary(self, version: str, actor: str, reason: str) -> bool:
        """Make the canary a candidate again and keep why; False when it is no canary any more."""
        async with self._database.writing() as connection:
            policy = await _locked(connection, version)
            if policy.stage != "canary":
                return False
            ended = {"at": datetime.now(UTC).isoformat(), "reason": reason}
            details = {**policy.details, "canary_ended": ended}
            await _set(connection, version, stage="candidate", canary_percent=None, details=details)
            await _audit(connection, actor, "policy.canary_ended", version, {"reason": reason})
            return True

    async def activate(
        self,
        version: str,
        actor: str,
        *,
        instead_of: str | None,
        configured: Mapping[str, Any] | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> Policy:
        """Make a policy live and what was live the previous one; the previous one before that is retired.

        Args:
            version: The policy.
            actor: Who does it.
            instead_of: What was live when it was decided; None: nothing yet.
            configured: `version`, `preset` and `prompt_hash` of the configured model, which the first activation keeps
                as the previous policy.
            detail: What the audit shall say besides.

        Raises:
            NotFoundError: there is none of that version.
            ConflictError: it is live already, or something else than `instead_of` is.
        """
        async with self._database.writing() as connection:
            policy = await _locked(connection, version)
            live = await _at(connection, "live")
            if policy.stage == "live":
                raise ConflictError(f"policy {version!r} is live already")
            if (live.version if live else None) != instead_of:
                raise ConflictError(
                    f"{live.version if live else 'nothing'!r} is live by now: look again, then activate"
                )
            if policy.stage != "previous":
                await _move(connection, "previous", "retired")
            await _set(connection, version, stage="candidate")
            if live is not None:
                await _set(connection, live.version, stage="previous")
            elif configured is not None:
                values = _candidate(kind="configured", details={}, data_manifest=None, **configured)
                await insert_new(connection, _policies, {**values, "stage": "previous"})
            await _set(connection, version, stage="live", canary_percent=None)
            was = {"instead_of": instead_of, **(detail or {})}
            await _audit(connection, actor, "policy.activate", version, was)
            return await _get(connection, version)

    async def roll_back(self, actor: str, reason: str = "") -> Policy:
        """Make the previous policy live again; what was live becomes a candidate, and a canary ends.

        Raises:
            ConflictError: there is no previous policy.
        """
        async with self._database.writing() as connection:
            await _lock(connection)
            live, previous = await _at(connection, "live"), await _at(connection, "previous")
            if live is None or previous is None:
                answers = live.version if live else "the configured model"
                raise ConflictError(f"nothing to roll back to: {answers} answers and nothing before it is kept")
            await _move(connection, "canary", "candidate")
            await _set(connection, live.version, stage="candidate")
            await _set(connection, previous.version, stage="live")
            detail = {"instead_of": live.version, "reason": reason}
            await _audit(connection, actor, "policy.rollback", previous.version, detail)
            return await _get(connection, previous.version)

    async def retire(self, version: str, actor: str) -> Policy:
        """Put a policy out of use; the live one cannot be.

        Raises:
            NotFoundError: there is none of that version.
            ConflictError: it is live.
        """
        async with self._database.writing() as connection:
            policy = await _locked(connection, version)
            if policy.stage == "live":
                raise ConflictError(f"policy {version!r} is live: activate another or roll back first")
            await _set(connection, version, stage="retired", canary_percent=None)
            await _audit(connection, actor, "policy.retire", version, {"was": policy.stage})
            return await _get(connection, version)

    async def people(self, version: str) -> builtins.list[str]:
        """Return the ids of the people whose data a policy saw; those who were erased since are in no list.

        Raises:
            NotFoundError: there is none of that version.
        """
        async with self._database.reading() as connection:
            policy = await _get(connection, version)
            there = (_people.c.dataset_id == _datasets.c.id, _datasets.c.manifest_sha256 == policy.data_manifest)
            query = select(_people.c.person_id).where(*there).distinct().order_by(_people.c.person_id)
            return list((await connection.execute(query)).scalars())

    async def note(self, version: str, actor: str, more: Mapping[str, Any]) -> Policy:
        """Add to a policy's details, as a report that was made later.

        Raises:
            NotFoundError: there is none of that version.
        """
        async with self._database.writing() as connection:
            policy = await _locked(connection, version)
            await _set(connection, version, details={**policy.details, **more})
            await _audit(connection, actor, "policy.note", version, {"what": sorted(more)})
            return await _get(connection, version)


async def taint(connection: AsyncConnection, person_id: str) -> None:
    """Mark the policies whose data sets have a place for this person; nothing that is kept says who it was.

    For the transaction that erases the person, before their places go. The mark has the day only, and the audit says
    nothing of it, because the hour would lead to the erasure beside it.
    """
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    seen = _data_sets_with(_people.c.person_id == person_id)
    mine = (_policies.c.data_manifest.in_(seen), _policies.c.tainted_at.is_(None))
    await connection.execute(update(_policies).where(*mine).values(tainted_at=today))


# ---------------------------------------------------------------- inside a transaction


async def _lock(connection: AsyncConnection) -> None:
    """Two at once must not both find the other's place free."""
    await connection.execute(select(_policies.c.version).order_by(_policies.c.version).with_for_update())


async def _locked(connection: AsyncConnection, version: str) -> Policy:
    await _lock(connection)
    return await _get(connection, version)


async def _get(connection: AsyncConnection, version: str) -> Policy:
    row = (await connection.execute(select(_policies).where(_policies.c.version == version))).one_or_none()
    if row is None:
        raise NotFoundError("policy", version)
    return _policy(row)


async def _at(connection: AsyncConnection, stage: Stage) -> Policy | None:
    row = (await connection.execute(select(_policies).where(_policies.c.stage == stage))).one_or_none()
    return None if row is None else _policy(row)


async def _set(connection: AsyncConnection, version: str, **changes: Any) -> None:
    this = update(_policies).where(_policies.c.version == version)
    await connection.execute(this.values(updated_at=datetime.now(UTC), **changes))


async def _move(connection: AsyncConnection, stage: Stage, to: Stage) -> None:
    those = update(_policies).where(_policies.c.stage == stage)
    await connection.execute(those.values(stage=to, canary_percent=None, updated_at=datetime.now(UTC)))


async def _audit(connection: AsyncConnection, actor: str, action: str, version: str, detail: Mapping[str, Any]) -> None:
    values = {"at": datetime.now(UTC), "actor": actor, "action": action, "subject": version, "detail": dict(detail)}
    await connection.execute(insert(tables.audit).values(**values))


def _data_sets_with(place: ColumnElement[bool]) -> Select[tuple[str]]:
    """The manifests of the data sets in which there is such a place."""
    there = (place, _people.c.dataset_id == _datasets.c.id, _datasets.c.manifest_sha256.is_not(None))
    return select(_datasets.c.manifest_sha256).where(*there)


def _candidate(
    version: str, kind: Kind, preset: Preset, prompt_hash: str, details: Mapping[str, Any], data_manifest: str | None
) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "version": version,
        "kind": kind,
        "preset": preset,
        "prompt_hash": prompt_hash,
        "details": dict(details),
        "stage": "candidate",
        "data_manifest": data_manifest,
        "created_at": now,
        "updated_at": now,
    }


def _policy(row: Row[Any]) -> Policy:
    return Policy(**{name: getattr(row, name) for name in Policy.__slots__})
