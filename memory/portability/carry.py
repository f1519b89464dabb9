"""Taking a person out as an archive, and bringing an archive in. A job of kind `export` makes the file.

Where several machines share the ledger, none can read the files of another: there the job only waits for its turn,
after everything that was to be learned before, and the archive is written when it is fetched and kept nowhere.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from memory import archive
from memory.ledger.ledger import Ledger
from memory.ledger.restoring import Restored
from memory.portability import package, place
from memory.types import Fact, Job

EXPORT = "export"
"""The kind of the jobs that write archives."""


class Addable(Protocol):
    """What the index must be able to do."""

    async def add_many(self, facts: Sequence[Fact]) -> None:
        """Make facts findable."""
        ...


@dataclass(frozen=True, slots=True)
class Carrying:
    """Writes and reads the archives of one data directory."""

    ledger: Ledger
    index: Addable
    home: Path

    async def run(self, job: Job) -> Path | None:
        """Do a job of kind `export`; return where the archive is, None where it is written when it is fetched.

        No other job of the person runs meanwhile, so that nothing is half learned and nothing is being forgotten.

        Raises:
            MemoryLayerError: the ledger could not be read.
        """
        if self.ledger.database.shared:
            return None
        path = place.archive_path(self.home, job.person_id, job.id)
        await self.write(job.person_id, path)
        return path

    async def write(self, person_id: str, path: Path) -> None:
        """Write everything held about a person to a file.

        Raises:
            NotFoundError: there is no such person.
        """
        person = await self.ledger.users.get(person_id)
        held = await self.ledger.holdings.read(person_id)
        manifest = archive.Manifest(
            version=archive.VERSION,
            person=person.id,
            external_id=person.external_id,
            since=person.created_at,
            exported_at=datetime.now(UTC),
            files={},
        )
        await asyncio.to_thread(package.write, path, held, person, manifest)

    async def restore(self, person_id: str, path: Path) -> Restored:
        """Bring an archive in as this person's; doing it again adds nothing.

        Raises:
            ImportFileError: it is no archive, or a damaged one; nothing was brought in.
            MemoryLayerError: the ledger has it, and the index could not be written: do it again.
        """
        held = await asyncio.to_thread(package.read, path)
        restored = await self.ledger.restoring.restore(person_id, held)
        active = [fact async for fact in self.ledger.facts.all_active(person_id)]
        if active:
            await self.index.add_many(active)
        return restored

    async def tidy(self) -> None:
        """Delete exports that are older than they are kept; where they are kept nowhere, what a crash left."""
        now = math.inf if self.ledger.database.shared else None
        await asyncio.to_thread(place.tidy, self.home, now)
