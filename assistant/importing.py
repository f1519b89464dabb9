"""Bringing people and their history in: read the file, wait until all of it has been reflected on, sum up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Literal

from pydantic import BaseModel, ConfigDict

from assistant.runtime import Runtime
from assistant.safety.screen import screen
from memory.importing.alpsbench import import_alpsbench
from memory.importing.history import ImportSummary, Progress

POLL_S = 0.5


class Step(BaseModel):
    """How far one phase of an import is."""

    model_config = ConfigDict(frozen=True)

    type: Literal["step"] = "step"
    phase: Literal["reading", "reflecting"]
    done: int
    total: int | None = None


class Imported(BaseModel):
    """What an import brought."""

    model_config = ConfigDict(frozen=True)

    type: Literal["imported"] = "imported"
    people: int
    conversations: int
    messages: int
    facts: int
    failed_batches: int
    seconds: float
    facts_per_minute: float
    facts_per_person: dict[str, int]
    """How many people have so many facts: 0, 1-2, 3-5, 6-10, 11+."""
    skipped: list[str]
    """Lines left out, each with its reason."""


_BINS = (("0", 0, 0), ("1-2", 1, 2), ("3-5", 3, 5), ("6-10", 6, 10), ("11+", 11, 10**9))


async def import_file(runtime: Runtime, path: Path, limit: int | None) -> AsyncIterator[Step | Imported]:
    """Import AlpsBench records as people with history; yields progress, and the summary last.

    Raises:
        ImportFileError: the file cannot be read at all; single bad lines are skipped and named.
    """
    started = perf_counter()

    async def read(progress: Callable[[Progress], None]) -> ImportSummary:
        return await import_alpsbench(
            runtime.ledger, path, limit=limit, progress=progress, screen=lambda text: screen(text).level
        )

    async for step in read_and_reflect(runtime, read):
        if isinstance(step, ImportSummary):
            yield await _sum_up(runtime, step, perf_counter() - started)
        else:
            yield step


async def read_and_reflect(
    runtime: Runtime, read: Callable[[Callable[[Progress], None]], Awaitable[ImportSummary]]
) -> AsyncIterator[Step | ImportSummary]:
    """Run `read`, then wait until all of it has been reflected on; yields progress, and what was read last."""
    steps: asyncio.Queue[Step | None] = asyncio.Queue()

    def progressed(progress: Progress) -> None:
        steps.put_nowait(Step(phase="reading", done=progress.done, total=progress.total))

    async def reading_to_end() -> ImportSummary:
        try:
            return await read(progressed)
        finally:
            steps.put_nowait(None)

    reading = asyncio.create_task(reading_to_end())
    while (step := await steps.get()) is not None:
        yield step
    summary = await reading
    runtime.worker.notify()
    total = None
    while (left := await runtime.ledger.jobs.unfinished(summary.person_ids)) > 0:
        total = total or left
        yield Step(phase="reflecting", done=max(0, total - left), total=total)
        await asyncio.wait([asyncio.create_task(runtime.worker.drain(POLL_S))])
    yield summary


async def _sum_up(runtime: Runtime, summary: ImportSummary, seconds: float) -> Imported:
    counts = [await runtime.ledger.facts.count(person_id) for person_id in summary.person_ids]
    failed = len(await runtime.ledger.jobs.list(status="failed"))
    return Imported(
        people=summary.people,
        conversations=summary.conversations,
        messages=summary.messages,
        facts=sum(counts),
        failed_batches=failed,
        seconds=round(seconds, 1),
        facts_per_minute=round(sum(counts) / max(seconds, 0.001) * 60, 1),
        facts_per_person={name: sum(low <= n <= high for n in counts) for name, low, high in _BINS},
        skipped=list(summary.skipped),
    )
