"""`attune work`: reflects, forgets and exports for backends that leave the work to others; any number may run.

It listens for its own health only and answers nobody else. On SIGTERM it takes no more jobs, lets those it has begun
end within bounds, and gives back the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from fastapi import FastAPI, Response

from assistant import wire
from assistant.config import AssistantConfig
from assistant.errors import ConfigError
from assistant.learning import Learning, open_learning
from assistant.metrics import Metrics
from assistant.serve import allow_many_files, bind
from memory.errors import MemoryLayerError
from memory.queue import ReflectionWorker

log = logging.getLogger(__name__)

_FAREWELL_S = 2


async def work(config: AssistantConfig) -> None:
    """Work until told to stop, then end what was begun.

    Raises:
        ConfigError: the ledger is one that no other process can open, or the address is taken.
        LedgerError: the ledger cannot be opened.
    """
    if config.memory_config.database_url is None or config.memory_config.database_url.startswith("sqlite"):
        raise ConfigError(
            "attune work shares the ledger with attune serve, which SQLite does not allow: set memory.database_url to "
            "a Postgres, or let attune serve do the work itself, as it does by default"
        )
    listener = bind(config.worker.host, config.worker.port)
    allow_many_files()
    async with open_learning(config) as base, base.warming():
        worker, stop = base.worker(), asyncio.Event()
        server = _Server(health_app(base, worker, stop), stop)
        address = listener.getsockname()
        working = asyncio.create_task(worker.run(stop, config.worker.finish_s), name="work")
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="health")
        log.warning("Attune works; its health is at http://%s:%s/readyz", address[0], address[1])
        await asyncio.wait({working, serving}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await working
        server.should_exit = True
        await serving


def health_app(base: Learning, worker: ReflectionWorker, stop: asyncio.Event) -> FastAPI:
    """The app that says how this worker is."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    app, metrics = FastAPI(title="Attune worker", lifespan=lifespan, openapi_url=None), Metrics()

    @app.get("/healthz")
    async def alive() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    async def ready(response: Response) -> wire.Health:
        problem = base.embedder.problem
        checks = {
            "ledger": await _ledger(base),
            "calls": "ok" if base.peers.connected else "calls of other processes are not heard, the queue is polled",
            "embedder": "ok" if base.embedder.loaded else problem or "starting",
            "work": "stopping" if stop.is_set() else "ok",
        }
        if checks["ledger"] != "ok" or stop.is_set():
            status, response.status_code = "unavailable", 503
        elif "starting" in checks.values():
            status = "starting"
        else:
            status = "ready" if set(checks.values()) == {"ok"} else "degraded"
        doing = f"{worker.running} jobs are being done; {base.reflect.identity.description}"
        return wire.Health.model_validate({"status": status, "checks": checks, "policy": doing})

    @app.get("/metrics")
    async def counters() -> Response:
        await metrics.look(base.ledger)
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return app


async def _ledger(base: Learning) -> str:
    try:
        await base.ledger.jobs.counts()
    except MemoryLayerError as error:
        return str(error)
    return "ok"


class _Server(uvicorn.Server):
    """Answers for its health to the end; a signal stops the work first."""

    def __init__(self, app: FastAPI, stop: asyncio.Event) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                ws="none",
                timeout_graceful_shutdown=_FAREWELL_S,
                log_level="warning",
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
            )
        )
        self._stop = stop

    def handle_exit(self, sig: int, frame: object) -> None:
        """Stop the work; the second signal ends at once."""
        if self._stop.is_set():
            super().handle_exit(sig, frame)  # type: ignore[arg-type]
        self._stop.set()

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Take no more requests; the process then ends with 0."""
        with suppress(asyncio.CancelledError):
            await super().shutdown(sockets)  # type: ignore[arg-type]
        self._captured_signals.clear()
