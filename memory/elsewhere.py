"""The worker of a process that does none of the work itself: jobs are enqueued and other processes are called.

It stands where a `ReflectionWorker` stands. Whoever wants a job done now waits for it, wherever it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from memory.errors import LedgerError, NotFoundError
from memory.ids import new_id
from memory.ledger.ledger import Ledger
from memory.peers import Peers

PATIENCE_S = 60.0
"""How long somebody waits for a job that another process runs, or that nobody runs."""
_LOOK_S = 0.1
_GONE_S = 5.0
"""Between the end of a job and its answer lies the last reading of every place."""


class JobGoneError(LedgerError):
    """The job is no more, and nobody left its answer: its person is gone, or whoever ran it died at the end of it."""


class Elsewhere:
    """Hands jobs to the workers of other processes."""

    def __init__(self, ledger: Ledger, peers: Peers) -> None:
        self._ledger = ledger
        self._peers = peers

    def notify(self) -> None:
        """Say that there may be a new job."""
        self._peers.call()

    async def drain(self, deadline_s: float | None = None) -> bool:
        """Wait until no job is pending or running; False when the deadline came first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while True:
                    counts = await self._ledger.jobs.counts()
                    if not counts["pending"] + counts["running"]:
                        return True
                    await asyncio.sleep(_LOOK_S)
        return False

    async def do_now(self, person_id: str, kind: str, payload: Mapping[str, Any]) -> Any:
        """Enqueue a job and return what it answers; a caller who goes away leaves the job in the queue.

        Raises:
            NotFoundError: there is no such person.
            JobGoneError: it was done, and its answer is lost.
            LedgerError: it failed, or nobody did it in time; it stays in the queue then.
        """
        job_id = new_id("job")
        await self._ledger.jobs.enqueue(person_id, kind, payload, id=job_id)
        self._peers.call()
        return await answer_of(self._ledger, job_id)


async def answer_of(ledger: Ledger, job_id: str, patience_s: float = PATIENCE_S) -> Mapping[str, Any]:
    """Wait for a job that any process may run, and return its answer.

    Raises:
        JobGoneError: it was done, and its answer is lost.
        LedgerError: it failed, or was not done in time.
    """
    deadline = asyncio.get_running_loop().time() + patience_s
    gone_for = 0.0
    while asyncio.get_running_loop().time() < deadline:
        answer = await ledger.answers.take(job_id)
        if answer is not None:
            return answer
        try:
            job = await ledger.jobs.get(job_id)
        except NotFoundError:
            gone_for += _LOOK_S
        else:
            if job.status == "failed":
                raise LedgerError(f"job {job_id} failed: {job.error}")
            if job.status == "done":
                gone_for += _LOOK_S
        if gone_for > _GONE_S:
            raise JobGoneError(f"job {job_id} was done, and its answer is lost")
        await asyncio.sleep(_LOOK_S)
    raise LedgerError(
        f"job {job_id} was not done within {patience_s:.0f} s and stays in the queue: does an attune work run?"
    )
