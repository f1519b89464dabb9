"""`attune serve`: bind first, announce when ready, drain on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import ExitStack

import uvicorn

from assistant.app import create_app
from assistant.config import AssistantConfig
from assistant.errors import ConfigError
from assistant.remote import announced
from assistant.runtime import require_keys
from memory.ledger.ledger import Ledger
from memory.lock import DataDirectoryLock

log = logging.getLogger(__name__)


def bind(host: str, port: int) -> socket.socket:
    """Bind the address; port 0 takes a free one.

    Raises:
        ConfigError: the address is taken or not ours, with the repair.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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
    server = _Server(
        uvicorn.Config(create_app(config), log_level="warning", lifespan="on", timeout_graceful_shutdown=30)
    )
    await server.serve_announced(listener, config, url)


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
            await require_keys(ledger, config.server.host)


class _Server(uvicorn.Server):
    """A server that says where it answers once it does."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._announcement = ExitStack()

    async def serve_announced(self, listener: socket.socket, config: AssistantConfig, url: str) -> None:
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
        """Withdraw the announcement here: afterwards uvicorn ends the process with the signal that stopped it."""
        with self._announcement:
            await super().shutdown(sockets)
