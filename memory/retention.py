"""Retention: what a person said longer ago than they want it kept is forgotten, through the same jobs as by hand.

Jobs that were done long ago go too; those that failed stay, for somebody to see.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from memory.forget import payload_of
from memory.ledger.going import Target
from memory.ledger.jobs import FORGET
from memory.ledger.ledger import Ledger

DONE_JOBS_KEPT = timedelta(days=30)
"""Long enough to look up a receipt or an export by its job."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Looks for what is too old and enqueues forgetting it."""

    ledger: Ledger

    async def purge(self, now: datetime | None = None) -> int:
        """Delete the jobs that were done long ago; return how many."""
        return await self.ledger.jobs.purge_done((now or datetime.now(UTC)) - DONE_JOBS_KEPT)

    async def sweep(self, now: datetime | None = None) -> int:
        """Enqueue what is to be forgotten for everybody who limits how long things are kept; return how many jobs.

        A conversation whose every message is too old goes as a whole; of others, the messages that are.
        """
        now, jobs = now or datetime.now(UTC), 0
        for person_id, days in await self.ledger.settings.retention():
            conversations, messages = await self.ledger.erasures.older_than(person_id, now - timedelta(days=days))
            targets = [Target("conversation", conversations), Target("message", messages)]
            for target in targets:
                if target.ids:
                    key = f"retention:{target.scope}"
                    await self.ledger.jobs.enqueue(person_id, FORGET, payload_of(target), dedupe_key=key)
                    jobs += 1
        return jobs
