"""Is it alive, can it answer, and how is it doing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter, Response

from assistant import wire
from assistant.auth import Runtimes
from assistant.errors import AttuneError
from memory.elsewhere import Elsewhere
from memory.errors import MemoryLayerError

router = APIRouter(tags=["health"])

_LATE_S = 300.0
"""What waits longer for a worker elsewhere says that none works."""


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "alive"}


@router.get("/readyz")
async def ready(runtime: Runtimes, response: Response) -> wire.Health:
    """Say whether each dependency works; `degraded` still answers, `unavailable` does not."""
    ledger, policy = await asyncio.gather(_ledger(runtime), _policy(runtime))
    checks = {
        "ledger": ledger,
        "policy": policy,
        "embedder": _embedder(runtime),
        "reflection": await _reflection(runtime),
    }
    if ledger != "ok":
        status, response.status_code = "unavailable", 503
    elif "starting" in checks.values():
        status = "starting"
    else:
        status = "ready" if set(checks.values()) == {"ok"} else "degraded"
    return wire.Health.model_validate(
        {"status": status, "checks": checks, "policy": runtime.answering.live.model.identity.description}
    )


@router.get("/metrics", include_in_schema=False)
async def metrics(runtime: Runtimes) -> Response:
    """Return the counters for Prometheus."""
    await runtime.metrics.look(runtime.ledger)
    return Response(runtime.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _ledger(runtime: Runtimes) -> str:
    try:
        await runtime.ledger.jobs.counts()
    except MemoryLayerError as error:
        return str(error)
    return "ok"


async def _policy(runtime: Runtimes) -> str:
    try:
        async with asyncio.timeout(3):
            await runtime.answering.live.model.check()
    except TimeoutError:
        return "the model did not answer within 3 seconds"
    except AttuneError as error:
        return error.message
    return "ok"


def _embedder(runtime: Runtimes) -> str:
    if runtime.embedder.loaded:
        return "ok"
    return runtime.embedder.problem or "starting"


async def _reflection(runtime: Runtimes) -> str:
    try:
        failed = (await runtime.ledger.jobs.counts()).get("failed", 0)
        since = await runtime.ledger.jobs.waiting_since("reflect")
    except MemoryLayerError as error:
        return str(error)
    waited_s = 0.0 if since is None else (datetime.now(UTC) - since).total_seconds()
    if isinstance(runtime.worker, Elsewhere) and waited_s > _LATE_S:
        return f"the oldest reflection has waited {waited_s:.0f} s; does an 'attune work' run?"
    return "ok" if not failed else f"{failed} failed; see 'attune jobs'"
