"""Forgetting: a fact, a message, a conversation, everything of a person; in every place at once, and provably.

A durable job with nothing but ids comes first, so that a crash at any point is made good at the next start; each step
may run again. The ledger goes first, in one transaction that also notes in the job what is to leave the other places;
then the index, whose directory is written anew without the facts; then the person's exports, files that a broken
import left, and what data sets hold of the person; then the write-ahead log and stray copies in the ledger's file. At
last every place is read again and what is found is counted: anything but nothing fails the job, which then runs again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from memory import dataset_files
from memory.elsewhere import JobGoneError
from memory.errors import IndexUnavailableError, LedgerError, NotFoundError
from memory.ledger.erasures import Erased
from memory.ledger.going import Going, Target
from memory.ledger.jobs import FORGET
from memory.ledger.ledger import Ledger
from memory.portability import place
from memory.receipt import OTHER_MACHINES, UNPROVABLE, Receipt
from memory.remnants import has_remnant
from memory.types import Fact, Job

SPOOL = "import-*"
"""What an import that goes through the backend is spooled to, and leaves behind when it is killed."""
_REBUILD = "rebuild"
_SCRUB_TRIES = 8
_SCRUB_PAUSE_S = 0.25

log = logging.getLogger(__name__)


class Forgettable(Protocol):
    """What the index must be able to do."""

    async def forget(self, person_id: str, fact_ids: Sequence[str]) -> None:
        """Remove facts, and every byte of them."""
        ...

    async def forget_person(self, person_id: str) -> None:
        """Remove everything of a person."""
        ...

    async def rebuild(self, person_id: str, facts: Sequence[Fact]) -> None:
        """Put these facts in the place of what is there, damaged or not."""
        ...

    async def ids(self, person_id: str) -> set[str]:
        """Return the ids of a person's facts that are there."""
        ...

    async def people(self) -> set[str]:
        """Return the ids of the people who have anything there."""
        ...


class Jobs(Protocol):
    """Who runs jobs, and tells what came of one."""

    async def do_now(self, person_id: str, kind: str, payload: Mapping[str, Any]) -> Any:
        """Enqueue a job before everything else of the person; return what it returns, or the `as_dict` of that."""
        ...


class NotForgottenError(LedgerError):
    """Something was still found after it was forgotten; the job runs again."""


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Plans what would go, and runs jobs of kind `forget`."""

    ledger: Ledger
    index: Forgettable
    home: Path
    checkpoint: Callable[[str], None] = lambda _step: None
    """Told after each step."""

    async def plan(self, person_id: str, target: Target) -> Receipt:
        """Return what would go, and touch nothing.

        Raises:
            NotFoundError: there is no such thing, or it is somebody else's.
        """
        going = await self.ledger.erasures.plan(person_id, target)
        return Receipt(person_id, target, going, datetime.now(UTC), dry_run=True)

    async def forget(self, person_id: str, target: Target, jobs: Jobs) -> Receipt:
        """Forget, and return when nothing is left; what is interrupted finishes at the next start.

        Raises:
            NotFoundError: there is no such thing, or it is somebody else's.
            MemoryLayerError: it is not all gone yet; the job says why and can be run again.
        """
        planned = await self.plan(person_id, target)
        try:
            answer = await jobs.do_now(person_id, FORGET, payload_of(target))
        except JobGoneError:
            return await self._verified(planned)
        return answer if isinstance(answer, Receipt) else Receipt.of(answer)

    async def _verified(self, planned: Receipt) -> Receipt:
        """The receipt where whoever did the job was gone before they could say so: by reading every place again."""
        remaining = await self.remaining(planned.person_id, planned.target, planned.going, "")
        if remaining:
            raise NotForgottenError(f"{remaining} of what was to be forgotten are still there: ask again")
        return replace(planned, at=datetime.now(UTC), dry_run=False, verified=True)

    async def run(self, job: Job) -> Receipt:
        """Do a job of kind `forget` from wherever it was left.

        Raises:
            MemoryLayerError: a place could not be reached or still held something; running the job again goes on.
        """
        target = Target(job.payload["scope"], tuple(job.payload["ids"]))
        self.checkpoint("enqueued")
        erased = await self.ledger.erasures.erase(job.person_id, target, job.id)
        self.checkpoint("ledger")
        rebuilt = await self._clear_index(job, target, erased.going)
        self.checkpoint("index")
        files = await asyncio.to_thread(self._remove_spools)
        exports = await asyncio.to_thread(place.clear, self.home, job.person_id)
        answers = await asyncio.to_thread(dataset_files.clear, self.home, erased.traces)
        self.checkpoint("files")
        rewritten = await self._scrub(erased)
        self.checkpoint("scrubbed")
        await self.ledger.audit.write("person", f"forget.{target.scope}", job.person_id, _counts(erased.going))
        if target.scope == "person":
            await self.ledger.erasures.delete_person(job.person_id)
            self.checkpoint("deleted")
            await self._truncate()
        remaining = await self.remaining(job.person_id, target, erased.going, job.id)
        remaining += await asyncio.to_thread(dataset_files.remaining, self.home, erased.traces)
        if remaining:
            raise NotForgottenError(f"{remaining} of what job {job.id} forgets are still there")
        self.checkpoint("verified")
        return Receipt(
            job.person_id,
            target,
            erased.going,
            datetime.now(UTC),
            job_id=job.id,
            files=files,
            exports=exports,
            dataset_files=answers,
            index_rebuilt=rebuilt,
            ledger_rewritten=rewritten,
            verified=True,
            remaining=remaining,
            unprovable=self._unprovable(erased),
        )

    def _unprovable(self, erased: Erased) -> tuple[str, ...]:
        """What nobody here can prove, of this forgetting."""
        left = dataset_files.elsewhere(self.home, erased.traces)
        marked = tuple(f"the data set in {path}, whose rows are marked: training refuses it" for path in left)
        return (*UNPROVABLE, *marked, *(OTHER_MACHINES if self.ledger.database.shared else ()))

    async def remaining(self, person_id: str, target: Target, going: Going, job_id: str) -> int:
        """Read the ledger, the index and the data directory again, and return how much of it is there."""
        found = await self.ledger.erasures.remaining(person_id, target, going, job_id)
        indexed = await self.index.ids(person_id)
        found += len(indexed if target.scope == "person" else indexed & set(going.facts))
        found += len(await asyncio.to_thread(place.exports, self.home, person_id))
        return found + len(await asyncio.to_thread(self._spools))

    async def tidy(self) -> None:
        """Make good what a crash left: spool files, the log, directories of people who are gone, failed forgetting."""
        await asyncio.to_thread(self._remove_spools)
        for person_id in await self.index.people():
            try:
                await self.ledger.users.get(person_id)
            except NotFoundError:
                await self.index.forget_person(person_id)
        for job in await self.ledger.jobs.list(status="failed"):
            if job.kind == FORGET:
                await self.ledger.jobs.requeue(job.id)
        await self._truncate()

    async def tidy_here(self) -> None:
        """Remove the spool files that a crash left in this data directory, where the worker is elsewhere."""
        await asyncio.to_thread(self._remove_spools)

    # ---------------------------------------------------------------- the places

    async def _clear_index(self, job: Job, target: Target, going: Going) -> bool:
        if target.scope == "person":
            await self.index.forget_person(job.person_id)
            return False
        damaged = _REBUILD in (await self.ledger.jobs.get(job.id)).payload
        if going.facts and not damaged:
            try:
                await self.index.forget(job.person_id, going.facts)
            except IndexUnavailableError as error:
                log.warning("job %s drops a damaged index: %s", job.id, error)
                # Noted first: once the directory is gone, nothing else tells that what remains must be indexed.
                await self.ledger.jobs.note(job.id, {_REBUILD: True})
                damaged = True
        if damaged:
            await self.index.forget_person(job.person_id)
            remaining = [fact async for fact in self.ledger.facts.all_active(job.person_id)]
            await self.index.rebuild(job.person_id, remaining)
        return damaged

    async def _scrub(self, erased: Erased) -> bool:
        """Empty the log; write the file anew if stray copies are in it, or nobody knows any more what to look for."""
        await self._truncate()
        path = self.ledger.database.path
        if path is None:
            return False
        words: Collection[str] | None = erased.words
        if words is not None and not await asyncio.to_thread(has_remnant, path, words):
            return False
        await self._truncate(rewrite=True)
        return True

    async def _truncate(self, *, rewrite: bool = False) -> None:
        for attempt in range(_SCRUB_TRIES):
            try:
                await self.ledger.database.scrub(rewrite=rewrite)
            except LedgerError:
                if attempt == _SCRUB_TRIES - 1:
                    raise
                await asyncio.sleep(_SCRUB_PAUSE_S)
            else:
                return

    def _spools(self) -> list[Path]:
        return list(self.home.glob(SPOOL))

    def _remove_spools(self) -> int:
        spools = self._spools()
        for path in spools:
            path.unlink(missing_ok=True)
        return len(spools)


def payload_of(target: Target) -> dict[str, Any]:
    """Return the payload of the job that forgets this."""
    return {"scope": target.scope, "ids": list(target.ids)}


def _counts(going: Going) -> dict[str, int]:
    return {
        "facts": len(going.facts),
        "evidence": going.evidence,
        "traits": len(going.traits),
        "messages": len(going.messages),
        "conversations": len(going.conversations),
        "jobs": len(going.jobs),
        "dataset_rows": going.dataset_rows,
    }
