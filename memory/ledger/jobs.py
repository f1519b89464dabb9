"""Durable work: a person's jobs run in the order they were enqueued, one at a time; a failure stays visible.

A claimed job is leased. When the lease runs out, whoever held it is taken for dead and the job is pending again, so a
job may run more than once but is never lost. A job that waits to be retried holds back the later ones of its person;
one that failed for good does not. What a person wants forgotten goes before everything else of theirs.
"""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from sqlalchemy import ColumnElement, Row, and_, case, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.database import Database
from memory.errors import ConflictError, LedgerError, NotFoundError
from memory.ids import new_id
from memory.ledger import tables
from memory.ledger.evidence import chunks
from memory.ledger.insert import insert_new
from memory.types import Job, JobStatus

FORGET = "forget"
"""The kind of the jobs that go first."""

_jobs = tables.jobs
_PENDING_AGAIN = {"status": "pending", "worker_id": None, "lease_until": None}


class Jobs:
    """The jobs of each person, and the workers' side of them, which sees everybody's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def enqueue(
        self,
        person_id: str,
        kind: str,
        payload: Mapping[str, Any],
        dedupe_key: str | None = None,
        *,
        id: str | None = None,
    ) -> Job:
        """Add a job; with a `dedupe_key`, return the unfinished job of the same kind and key if there is one.

        `id` is one made before with `new_id("job")`, by which somebody waits for the job already.

        Raises:
            NotFoundError: there is no such person.
        """
        async with self._database.writing() as connection:
            person = select(tables.users.c.id).where(tables.users.c.id == person_id)
            if (await connection.execute(person)).first() is None:
                raise NotFoundError("person", person_id)
            return await insert_job(connection, person_id, kind, payload, dedupe_key, id=id)

    async def claim(self, worker_id: str, lease_s: float) -> Job | None:
        """Take the oldest job that may run now, for so many seconds; None when there is none."""
        try:
            return await self._claim(worker_id, lease_s)
        except LedgerError as error:
            if isinstance(error.__cause__, IntegrityError):
                return None  # on Postgres another worker took one of the same person's jobs at the same moment
            raise

    async def _claim(self, worker_id: str, lease_s: float) -> Job | None:
        now = datetime.now(UTC)
        other, earlier = _jobs.alias("other"), _jobs.alias("earlier")
        running = exists().where(other.c.person_id == _jobs.c.person_id, other.c.status == "running")
        waits = and_(earlier.c.person_id == _jobs.c.person_id, earlier.c.status == "pending", _precedes(earlier))
        first_pending = ~exists().where(waits)
        due = or_(_jobs.c.run_after.is_(None), _jobs.c.run_after <= now)
        query = select(_jobs).where(_jobs.c.status == "pending", due, ~running, first_pending)
        async with self._database.writing() as connection:
            expired = and_(_jobs.c.status == "running", _jobs.c.lease_until <= now)
            await connection.execute(update(_jobs).where(expired).values(**_PENDING_AGAIN))
            order = (case((_jobs.c.kind == FORGET, 0), else_=1), _jobs.c.seq)
            query = query.order_by(*order).limit(1).with_for_update(skip_locked=True)
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None
            changes = {
                "status": "running",
                "attempts": row.attempts + 1,
                "worker_id": worker_id,
                "lease_until": now + timedelta(seconds=lease_s),
                "run_after": None,
                "updated_at": now,
            }
            await connection.execute(update(_jobs).where(_jobs.c.seq == row.seq).values(**changes))
            return _job((await connection.execute(select(_jobs).where(_jobs.c.seq == row.seq))).one())

    async def extend(self, job_id: str, worker_id: str, lease_s: float) -> bool:
        """Hold a job longer; False when this worker no longer holds it and must stop."""
        until = datetime.now(UTC) + timedelta(seconds=lease_s)
        return await self._end(job_id, worker_id, {"lease_until": until})

    async def done(self, job_id: str, worker_id: str | None = None) -> bool:
        """Mark a running job as done; False when it was not running (for this worker, if one is named)."""
        return await self._end(job_id, worker_id, {"status": "done", "error": None, "lease_until": None})

    async def retry(
        self, job_id: str, error: str, run_after: datetime | None = None, worker_id: str | None = None
    ) -> bool:
        """Let a running job run again, not before `run_after`; False as for `done`."""
        return await self._end(job_id, worker_id, {**_PENDING_AGAIN, "error": error, "run_after": run_after})

    async def fail(self, job_id: str, error: str, worker_id: str | None = None) -> bool:
        """Mark a running job as failed for good, where everybody can see it; False as for `done`."""
        return await self._end(job_id, worker_id, {"status": "failed", "error": error, "lease_until": None})

    async def note(self, job_id: str, more: Mapping[str, Any]) -> None:
        """Add to a job's payload.

        Raises:
            NotFoundError: there is no such job.
        """
        async with self._database.writing() as connection:
            query = select(_jobs.c.payload).where(_jobs.c.id == job_id)
            payload = (await connection.execute(query)).scalar_one_or_none()
            if payload is None:
                raise NotFoundError("job", job_id)
            await connection.execute(update(_jobs).where(_jobs.c.id == job_id).values(payload={**payload, **more}))

    async def give_back(self, job_id: str, worker_id: str) -> bool:
        """Make a running job pending again as if it had not been tried; False when this worker does not hold it."""
        return await self._end(job_id, worker_id, {**_PENDING_AGAIN, "attempts": _jobs.c.attempts - 1})

    async def requeue(self, job_id: str) -> Job:
        """Let a failed job run again from its first attempt, in its old place.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: it has not failed.
        """
        async with self._database.writing() as connection:
            row = (await connection.execute(select(_jobs).where(_jobs.c.id == job_id))).one_or_none()
            if row is None:
                raise NotFoundError("job", job_id)
            if row.status != "failed":
                raise ConflictError(f"job {job_id} is {row.status}: only a failed job can be run again")
            changes = {**_PENDING_AGAIN, "attempts": 0, "run_after": None, "updated_at": datetime.now(UTC)}
            await connection.execute(update(_jobs).where(_jobs.c.id == job_id).values(**changes))
            return _job((await connection.execute(select(_jobs).where(_jobs.c.id == job_id))).one())

    async def get(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            NotFoundError: there is no such job.
        """
        async with self._database.reading() as connection:
            row = (await connection.execute(select(_jobs).where(_jobs.c.id == job_id))).one_or_none()
        if row is None:
            raise NotFoundError("job", job_id)
        return _job(row)

    async def list(
        self, status: JobStatus | None = None, person_id: str | None = None, limit: int = 1000
    ) -> builtins.list[Job]:
        """Return jobs in the order they were enqueued."""
        query = select(_jobs).order_by(_jobs.c.seq).limit(limit)
        if status is not None:
            query = query.where(_jobs.c.status == status)
        if person_id is not None:
            query = query.where(_jobs.c.person_id == person_id)
        async with self._database.reading() as connection:
            return [_job(row) for row in await connection.execute(query)]

    async def counts(self) -> dict[JobStatus, int]:
        """Return how many jobs there are of each status, zeros included."""
        query = select(_jobs.c.status, func.count().label("number")).group_by(_jobs.c.status)
        async with self._database.reading() as connection:
            found: dict[str, int] = {row.status: row.number for row in await connection.execute(query)}
        return {status: found.get(status, 0) for status in get_args(JobStatus)}

    async def unfinished(self, person_ids: Collection[str]) -> int:
        """Return how many jobs of these people are pending or running."""
        found = 0
        async with self._database.reading() as connection:
            for part in chunks(person_ids):
                mine = (_jobs.c.person_id.in_(part), _jobs.c.status.in_(("pending", "running")))
                query = select(func.count()).select_from(_jobs).where(*mine)
                found += (await connection.execute(query)).scalar_one()
        return found

    async def urgent(self, person_ids: Collection[str]) -> builtins.list[str]:
        """Return those of these people who have something pending that goes before everything else."""
        query = select(_jobs.c.person_id).where(
            _jobs.c.kind == FORGET, _jobs.c.status == "pending", _jobs.c.person_id.in_(person_ids)
        )
        async with self._database.reading() as connection:
            return list((await connection.execute(query.distinct())).scalars())

    async def waiting_since(self, kind: str) -> datetime | None:
        """Return when the oldest unfinished job of a kind was enqueued; None when all are finished."""
        query = select(func.min(_jobs.c.created_at, type_=_jobs.c.created_at.type)).where(
            _jobs.c.kind == kind, _jobs.c.status.in_(("pending", "running"))
        )
        async with self._database.reading() as connection:
            oldest: datetime | None = (await connection.execute(query)).scalar_one_or_none()
        return oldest

    async def next_due(self) -> datetime | None:
        """Return when the next job that waits (for its time, or for a lease to run out) may run; None: no such job.

        A job that may run at once has the time it was enqueued.
        """
        earlier = _jobs.alias("earlier")
        unfinished = ("pending", "running")
        blocked = and_(
            _jobs.c.status == "pending",
            or_(earlier.c.status == "running", and_(earlier.c.status == "pending", _precedes(earlier))),
        )
        first = ~exists().where(earlier.c.person_id == _jobs.c.person_id, blocked)
        time = func.coalesce(_jobs.c.lease_until, _jobs.c.run_after, _jobs.c.created_at)
        query = select(func.min(time, type_=_jobs.c.created_at.type)).where(_jobs.c.status.in_(unfinished), first)
        async with self._database.reading() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def release_all(self, worker_id: str | None = None) -> int:
        """Make every running job of a worker (None: of any) pending again, after it died; return how many."""
        query = update(_jobs).where(_jobs.c.status == "running")
        if worker_id is not None:
            query = query.where(_jobs.c.worker_id == worker_id)
        async with self._database.writing() as connection:
            return (await connection.execute(query.values(**_PENDING_AGAIN))).rowcount

    async def purge_done(self, before: datetime) -> int:
        """Delete the jobs that were done before a time; return how many."""
        ended = and_(_jobs.c.status == "done", _jobs.c.updated_at < before)
        async with self._database.writing() as connection:
            return (await connection.execute(delete(_jobs).where(ended))).rowcount

    async def _end(self, job_id: str, worker_id: str | None, changes: Mapping[str, Any]) -> bool:
        held = and_(_jobs.c.id == job_id, _jobs.c.status == "running")
        if worker_id is not None:
            held = and_(held, _jobs.c.worker_id == worker_id)
        values = {**changes, "updated_at": datetime.now(UTC)}
        async with self._database.writing() as connection:
            return (await connection.execute(update(_jobs).where(held).values(**values))).rowcount == 1


def _precedes(other: Any) -> ColumnElement[bool]:
    """Say of another pending job of the same person whether it must run before."""
    urgent, mine = other.c.kind == FORGET, _jobs.c.kind == FORGET
    return or_(and_(urgent, ~mine), and_(urgent == mine, other.c.seq < _jobs.c.seq))


async def insert_job(
    connection: AsyncConnection,
    person_id: str,
    kind: str,
    payload: Mapping[str, Any],
    dedupe_key: str | None = None,
    *,
    id: str | None = None,
) -> Job:
    """Enqueue a job inside a transaction, as `Jobs.enqueue` does in one of its own."""
    now = datetime.now(UTC)
    values = {
        "id": id or new_id("job"),
        "person_id": person_id,
        "kind": kind,
        "payload": dict(payload),
        "status": "pending",
        "attempts": 0,
        "dedupe_key": dedupe_key,
        "created_at": now,
        "updated_at": now,
    }
    if dedupe_key is None:
        await connection.execute(insert(_jobs).values(**values))
        mine = _jobs.c.id == values["id"]
    else:
        await insert_new(connection, _jobs, values)
        mine = and_(
            _jobs.c.person_id == person_id,
            _jobs.c.kind == kind,
            _jobs.c.dedupe_key == dedupe_key,
            _jobs.c.status.in_(("pending", "running")),
        )
    return _job((await connection.execute(select(_jobs).where(mine))).one())


def _job(row: Row[Any]) -> Job:
    return Job(**{name: getattr(row, name) for name in Job.__slots__})
