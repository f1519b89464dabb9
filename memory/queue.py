"""The queue's worker: takes durable jobs, runs them, and sees to it that each ends as done or visibly failed.

Guarantees: a person's jobs run in order, one at a time, different people's at once; a job that is killed and runs again
doubles nothing; what fails is tried again with growing pauses and then stays visible as failed, never passed off as an
empty result nor handed to the rules when the model fails. Logs and errors hold ids, counts and reasons, never what
anybody said.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from memory.config import ReflectionConfig
from memory.elsewhere import answer_of
from memory.errors import LedgerError, MemoryLayerError, ReflectionError
from memory.ids import new_id
from memory.ledger.ledger import Ledger
from memory.ledger.reflections import JobLostError
from memory.peers import Peers
from memory.reflect.job import FactIndex, ObserveTraits, ReflectionJob
from memory.types import Complete, Job

JOB_KIND = "reflect"
JOBS_AT_ONCE = 4
"""While a language model is waited for; reflection by rules keeps one core busy by itself."""
POLL_S = 5.0
"""Another process may enqueue without telling this one, so it looks this often."""
CHORES_EVERY_S = 24 * 3600.0
_LONGEST_PAUSE_S = 3600.0

Handler = Callable[[Job], Awaitable[Any]]
"""Runs a job of another kind than reflection; what it returns is given to whoever waits for the job. Somebody who waits
in another process gets its `as_dict()`."""


@runtime_checkable
class Answer(Protocol):
    """What another process can be told."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        ...


Chore = Callable[[], Awaitable[object]]
"""Something to do at the start and once a day."""

log = logging.getLogger(__name__)


class ReflectionWorker:
    """One worker; several may share a ledger, each with an id of its own."""

    def __init__(
        self,
        ledger: Ledger,
        index: FactIndex,
        complete: Complete | None,
        config: ReflectionConfig,
        worker_id: str,
        *,
        observe_traits: ObserveTraits | None = None,
        handlers: Mapping[str, Handler] | None = None,
        chores: Sequence[Chore] = (),
        peers: Peers | None = None,
    ) -> None:
        """`complete` is the language model that reflects; None reflects by rules, with `observe_traits` for traits.

        `handlers` run the jobs of other kinds; `chores` are done at the start, before any job, and once a day. `peers`
        are the other processes on the ledger; without them this one is alone.
        """
        self._ledger = ledger
        self._jobs = ledger.jobs
        self._peers = peers or Peers(ledger.database)
        self._peers.on_call(self._wake_up)
        self._shared = ledger.database.shared
        self._reflection = ReflectionJob(ledger, index, complete, config.batch_chars, worker_id, observe_traits)
        self._config = config
        self._worker_id = worker_id
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._running: dict[asyncio.Task[None], Job] = {}
        self._awaited: dict[str, asyncio.Future[Any]] = {}
        self._handlers = dict(handlers or {})
        self._chores = chores
        self._at_the_queue = asyncio.Lock()

    @property
    def running(self) -> int:
        """How many jobs are being done."""
        return len(self._running)

    def notify(self) -> None:
        """Say that there may be a new job."""
        self._peers.call()

    def _wake_up(self) -> None:
        self._wake.set()

    async def run(self, stop: asyncio.Event, finish_s: float = 0.0) -> None:
        """Work until `stop` is set; what is not done `finish_s` later is given back to the queue."""
        async with self._at_the_queue:
            stopped = asyncio.create_task(self._wake_when(stop))
            try:
                await self._release()
                chores_at = 0.0
                while not stop.is_set():
                    self._wake.clear()
                    if self._chores and asyncio.get_running_loop().time() >= chores_at:
                        await self._do_chores()
                        chores_at = asyncio.get_running_loop().time() + CHORES_EVERY_S
                    pause_s = await self._start_jobs()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), pause_s)
                if self._running and finish_s:
                    await asyncio.wait(self._running, timeout=finish_s)
            finally:
                stopped.cancel()
                for task in self._running:
                    task.cancel()
                await asyncio.gather(*self._running, return_exceptions=True)
                await self._release()
                for waiting in self._awaited.values():
                    if not waiting.done():
                        waiting.set_exception(LedgerError("the backend stops: the job goes on at the next start"))

    async def drain(self, deadline_s: float | None = None) -> bool:
        """Work, or wait while `run` works, until no job is pending or running; False when the deadline came first."""
        try:
            async with asyncio.timeout(deadline_s), self._at_work():
                while True:
                    self._settled.clear()
                    if not await self._unfinished():
                        return True
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._settled.wait(), POLL_S)
        except TimeoutError:
            return False

    async def do_now(self, person_id: str, kind: str, payload: Mapping[str, Any]) -> Any:
        """Enqueue a job, interrupt what else is done for this person, and return what the job's handler returns.

        Where another process ran it, that is the `as_dict()` of it. What is interrupted is begun again afterwards. A
        caller who goes away leaves the job in the queue.

        Raises:
            NotFoundError: there is no such person.
            MemoryLayerError: what the last attempt failed with; the job stays visible as failed.
        """
        job_id = new_id("job")
        waiting = self._awaited[job_id] = asyncio.get_running_loop().create_future()
        try:
            await self._jobs.enqueue(person_id, kind, payload, id=job_id)
            self.notify()
            await self._interrupt(person_id)
            async with self._at_work():
                return await (self._wherever(job_id, waiting) if self._shared else waiting)
        finally:
            del self._awaited[job_id]

    async def _wherever(self, job_id: str, here: asyncio.Future[Any]) -> Any:
        """What a job returns, whichever process runs it."""
        elsewhere = asyncio.create_task(answer_of(self._ledger, job_id))
        try:
            await asyncio.wait({here, elsewhere}, return_when=asyncio.FIRST_COMPLETED)
            return here.result() if here.done() else elsewhere.result()
        finally:
            elsewhere.cancel()
            await asyncio.wait({elsewhere})

    async def _interrupt(self, person_id: str) -> None:
        theirs = {
            task: job for task, job in self._running.items() if job.person_id == person_id and job.kind == JOB_KIND
        }
        for task in theirs:
            task.cancel()
        if theirs:
            await asyncio.wait(theirs)
        for job in theirs.values():
            await self._jobs.give_back(job.id, self._worker_id)

    # ------------------------------------------------------------ the loop

    async def _do_chores(self) -> None:
        for chore in self._chores:
            try:
                await chore()
            except MemoryLayerError as error:
                log.error("a daily chore failed, it is done again tomorrow or at the next start: %s", _reason(error))

    @asynccontextmanager
    async def _at_work(self) -> AsyncIterator[None]:
        if self._at_the_queue.locked():
            self.notify()
            yield
            return
        run = asyncio.create_task(self.run(asyncio.Event()), name="reflection")
        try:
            yield
        finally:
            run.cancel()
            await asyncio.wait([run])

    async def _unfinished(self) -> int:
        counts = await self._jobs.counts()
        return counts["pending"] + counts["running"]

    async def _wake_when(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    async def _release(self) -> None:
        try:
            await self._jobs.release_all(self._worker_id)
        except LedgerError as error:
            log.error("jobs of %s could not be given back, they wait for their lease: %s", self._worker_id, error)

    async def _start_jobs(self) -> float | None:
        """Start what may run now; return the seconds until there may be more, None when only a wake-up can tell."""
        limit = JOBS_AT_ONCE if self._reflection.complete else 1
        await self._make_way()
        while len(self._running) < limit:
            try:
                job = await self._jobs.claim(self._worker_id, self._config.lease_s)
                if job is None:
                    return _seconds_until(await self._jobs.next_due())
            except LedgerError as error:
                log.error("the queue cannot be read: %s", error)
                return POLL_S
            task = asyncio.create_task(self._run_job(job), name=f"job {job.id}")
            self._running[task] = job
            task.add_done_callback(self._ended)
        return POLL_S if self._shared else None

    async def _make_way(self) -> None:
        """Interrupt the reflections of people who want something forgotten, as another process may have been told."""
        theirs = {job.person_id for job in self._running.values() if job.kind == JOB_KIND}
        if self._shared and theirs:
            try:
                for person_id in await self._jobs.urgent(theirs):
                    await self._interrupt(person_id)
            except LedgerError as error:
                log.error("the queue cannot be read: %s", error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._wake.set()
        self._settled.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s could not be ended, it waits for its lease: %s", task.get_name(), _reason(error))

    # ------------------------------------------------------------ one job

    async def _run_job(self, job: Job) -> None:
        holding = asyncio.create_task(self._hold(job))
        try:
            result = await self._handler(job)(job)
        except JobLostError:
            log.warning("job %s was lost to another worker or deleted", job.id)
        except Exception as error:
            await self._failed(job, error)
        else:
            if self._shared and job.id not in self._awaited and isinstance(result, Answer):
                await self._ledger.answers.put(job.id, result.as_dict())
            await self._jobs.done(job.id, self._worker_id)
            self._tell(job, lambda waiting: waiting.set_result(result))
        finally:
            holding.cancel()

    def _handler(self, job: Job) -> Handler:
        if job.kind == JOB_KIND:
            return self._reflect
        if job.kind not in self._handlers:
            raise ReflectionError(f"no worker here knows jobs of kind {job.kind!r}")
        return self._handlers[job.kind]

    async def _reflect(self, job: Job) -> None:
        outcome = await self._reflection.run(job)
        log.info(
            "job %s done: facts=%d traits=%d dropped=%s skipped=%s",
            *(job.id, outcome.facts, outcome.traits, dict(outcome.dropped), outcome.skipped or "no"),
        )

    def _tell(self, job: Job, say: Callable[[asyncio.Future[Any]], None]) -> None:
        waiting = self._awaited.get(job.id)
        if waiting is not None and not waiting.done():
            say(waiting)

    async def _hold(self, job: Job) -> None:
        while True:
            await asyncio.sleep(self._config.lease_s / 3)
            with suppress(LedgerError):
                await self._jobs.extend(job.id, self._worker_id, self._config.lease_s)

    async def _failed(self, job: Job, error: Exception) -> None:
        reason = _reason(error)
        known = job.kind == JOB_KIND or job.kind in self._handlers
        if not known or job.attempts >= self._config.max_attempts:
            await self._jobs.fail(job.id, reason, self._worker_id)
            self._tell(job, lambda waiting: waiting.set_exception(error))
            log.error("job %s failed after %d attempts: %s", job.id, job.attempts, reason)
            return
        pause_s = min(_LONGEST_PAUSE_S, self._config.retry_base_s * 2 ** (job.attempts - 1))
        await self._jobs.retry(job.id, reason, datetime.now(UTC) + timedelta(seconds=pause_s), self._worker_id)
        log.warning("job %s failed, attempt %d, next in %.1f s: %s", job.id, job.attempts, pause_s, reason)


def _seconds_until(due: datetime | None) -> float:
    if due is None:
        return POLL_S
    return min(POLL_S, max(0.02, (due - datetime.now(UTC)).total_seconds()))


def _reason(error: BaseException) -> str:
    """Say what went wrong; the message of an error that is not ours may quote what somebody said and is left out."""
    return f"{type(error).__name__}: {error}" if isinstance(error, MemoryLayerError) else type(error).__name__
