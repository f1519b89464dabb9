"""The sweep that deletes the incognito conversations nobody closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from assistant.erasing import forget
from assistant.runtime import Runtime
from memory.errors import MemoryLayerError, NotFoundError
from memory.ledger.going import Target

UNUSED_FOR = timedelta(days=1)
"""An incognito conversation in which nothing was said for so long is deleted."""
SWEEP_S = 3600.0

log = logging.getLogger(__name__)


@asynccontextmanager
async def sweeping(runtime: Runtime) -> AsyncIterator[None]:
    """Delete the incognito conversations of before, and while inside those that are not used any more.

    On a ledger that other backends use too, those of before may be theirs: there only the unused ones go.
    """
    started = datetime.now(UTC)
    if runtime.ledger.database.shared:
        started = datetime.min.replace(tzinfo=UTC)
    else:
        await sweep(runtime, None)
    task = asyncio.create_task(_sweep_hourly(runtime, started), name="incognito sweep")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def sweep(runtime: Runtime, idle_since: datetime | None) -> int:
    """Delete the incognito conversations unused since then, all with None; return how many were deleted."""
    deleted = 0
    try:
        for conversation in await runtime.ledger.conversations.all_incognito(idle_since):
            try:
                await forget(runtime, conversation.person_id, Target("conversation", (conversation.id,)))
                deleted += 1
            except NotFoundError:
                continue
    except MemoryLayerError as error:
        log.error("incognito conversations could not be deleted, trying again within the hour: %s", error)
    return deleted


async def _sweep_hourly(runtime: Runtime, started: datetime) -> None:
    while True:
        await asyncio.sleep(SWEEP_S)
        await sweep(runtime, max(started, datetime.now(UTC) - UNUSED_FOR))
