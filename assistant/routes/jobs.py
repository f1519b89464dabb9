"""Durable work, for operators: what waits, what failed, and trying it again."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from assistant import wire
from assistant.auth import Admin, Runtimes
from memory.types import Job

router = APIRouter(prefix="/v1/admin/jobs", tags=["admin"])


def job_view(job: Job) -> wire.JobView:
    """A job as operators see it."""
    return wire.JobView(
        id=job.id,
        person_id=job.person_id,
        kind=job.kind,
        status=job.status,
        attempts=job.attempts,
        error=job.error,
        created_at=job.created_at,
    )


@router.get("")
async def list_jobs(
    runtime: Runtimes,
    _admin: Admin,
    status: Literal["pending", "running", "done", "failed"] | None = None,
    person_id: Annotated[wire.Text | None, Query(max_length=128)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> wire.JobList:
    """List jobs in the order they were enqueued, and count all of them by status."""
    jobs = await runtime.ledger.jobs.list(status, person_id, limit)
    counts = await runtime.ledger.jobs.counts()
    return wire.JobList(data=[job_view(job) for job in jobs], counts={str(k): n for k, n in counts.items()})


@router.post("/{job_id}/retry")
async def retry_job(job_id: str, runtime: Runtimes, admin: Admin) -> wire.JobView:
    """Let a failed job run again from its first attempt."""
    job = await runtime.ledger.jobs.requeue(job_id)
    await runtime.ledger.audit.write(admin.key.id, "job.retry", job_id, {"kind": job.kind})
    runtime.worker.notify()
    return job_view(job)
