"""`attune serve`: bind first, announce when ready, drain on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from contextlib import ExitStack

import uvicorn
from fastapi import FastAPI

from assistant.app import create_app
from assistant.config import AssistantConfig, ServerConfig
from assistant.connections import Patience, protocol
from assistant.errors import ConfigError
from assistant.remote import announced
from assistant.runtime import require_keys
from memory.ledger.ledger import Ledger
from memory.lock import DataDirectoryLock

log = logging.getLogger(__name__)

_FAREWELL_S = 5
"""How long a reply that was stopped has to reach its client."""
_MANY_FILES = 65536


def bind(host: str, port: int) -> socket.socket:
    """Bind the address; port 0 takes a free one.

    Raises:
        ConfigError: the address is taken or not ours, with the repair.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted sockets inherit it, and without it the first events of a stream wait 40 ms for an acknowledgement.
    # Asyncio sets it only on sockets that name their protocol.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}. Choose another with --port, or --port 0 for a free one"
        ) from error
    return listener


async def serve(config: AssistantConfig) -> None:
    """Serve until told to stop, then let replies and reflection finish."""
    host = config.server.host
    listener = bind(host, config.server.port)
    url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"

    await check(config)
    allow_many_files()
    await Server(create_app(config), config.server).serve_announced(listener, config, url)


async def check(config: AssistantConfig) -> None:
    """Raise what would keep the backend from starting as one error, before a server wraps it in its own.

    Raises:
        DataDirectoryLockedError: another process owns the data directory.
        LedgerError: the ledger cannot be opened.
        ConfigError: the address needs keys that nobody made.
    """
    memory = config.memory_config
    with DataDirectoryLock(memory.home):
        async with Ledger.open(memory) as ledger:
            await require_keys(ledger, config.server.host, owner_key=config.owner_key is not None)


def allow_many_files() -> None:
    """Let this process open as many files and connections as the system allows it; elsewhere than on Unix, nothing."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, _MANY_FILES) if hard > 0 else _MANY_FILES, hard))


class Server(uvicorn.Server):
    """Serves the app with the limits of the configuration; on SIGTERM it drains and ends well."""

    def __init__(self, app: FastAPI, config: ServerConfig) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol(Patience.of(config)),
                ws="none",
                h11_max_incomplete_event_size=config.max_header_bytes,
                timeout_keep_alive=config.keep_alive_s,
                timeout_graceful_shutdown=math.ceil(config.drain_s) + _FAREWELL_S,
                log_level="warning",
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
            )
        )
        self._app = app
        self._drain_s = config.drain_s
        self._announcement = ExitStack()

    async def serve_announced(self, listener: socket.socket, config: AssistantConfig, url: str) -> None:
        """Serve, and say where in the data directory and the log as soon as it answers."""
        serving = asyncio.create_task(self.serve(sockets=[listener]))
        while not self.started and not serving.done():
            await asyncio.wait({serving}, timeout=0.02)
        if serving.done():
            await serving
            raise ConfigError("the backend could not start; the log above says why")
        self._announcement.enter_context(announced(config.memory_config.home, url))
        log.warning("Attune answers on %s", url)
        await serving

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more requests, let replies end, keep in part what takes longer; then the process ends with 0."""
        with self._announcement:
            draining = asyncio.create_task(self._app.state.runtime.turns.drain(self._drain_s), name="draining")
            await super().shutdown(sockets)
            await draining
        if not self.force_exit:
            self._captured_signals.clear()  # uvicorn would end the process with them, as if it had been killed
