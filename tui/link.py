"""The way to the backend: found or started once, shared by whoever needs it, found again after it was lost.

Reports what it waits for as frozen states. Knows nothing of screens; the plain mode and the app both use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tui.backend import Backend, Launch, reach
from tui.door import open_client
from tui.errors import ClientError, TerminalError

if TYPE_CHECKING:
    from assistant import wire
    from tui.client import Client

READY_S = 60.0
"""A backend that still starts something after so long is used as it is."""
POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class LinkState:
    """Where the link stands."""

    kind: Literal["starting", "ready", "degraded", "lost"]
    text: str
    """What is waited for, or what is wrong, in words."""
    answers: str | None = None
    """What answers, as the backend puts it."""


class Link:
    """One backend, reached on first need."""

    def __init__(self, launch: Launch, report: Callable[[LinkState], None]) -> None:
        self.launch = launch
        self.backend: Backend | None = None
        self._report = report
        self._client: Client | None = None
        self._reaching: asyncio.Task[Client] | None = None
        self._readying: asyncio.Task[Client] | None = None

    async def client(self) -> Client:
        """Return the client of a backend that answers.

        Raises:
            TerminalError: there is none, and none could be started. The next call tries again.
        """
        if self._reaching is None or _failed(self._reaching):
            self._reaching = asyncio.create_task(self._reach())
        return await asyncio.shield(self._reaching)

    async def ready(self) -> Client:
        """Return the client once nothing of the backend is starting any more, or after a while as it is.

        Raises:
            TerminalError: as `client`.
        """
        if self._readying is None or _failed(self._readying):
            self._readying = asyncio.create_task(self._ready())
        return await asyncio.shield(self._readying)

    async def check(self) -> None:
        """Report how the backend is now; does nothing while it is being reached."""
        if self._client is None or self._readying is None or not self._readying.done():
            return
        try:
            self._report(_state(await self._client.ready()))
        except ClientError as error:
            self.lost(error)

    def lost(self, error: TerminalError) -> None:
        """Note that the backend does not answer, so that the next need reaches for it again."""
        self._reaching = self._readying = None
        self._report(LinkState("lost", error.message))

    async def restart(self) -> bool:
        """Start our own backend anew; False, and nothing done, where it is not ours or does not leave in time.

        Raises:
            TerminalError: it did not come back.
        """
        backend = self.backend
        if backend is None or not backend.ours:
            return False
        self._report(LinkState("starting", "the backend finishes and starts again"))
        backend.ask_to_stop()
        if not await backend.stopped():
            return False
        self._reaching = self._readying = None
        await self.ready()
        return True

    async def close(self) -> None:
        """Stop reaching and close the client; the backend runs on."""
        for task in (self._readying, self._reaching):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait({task})
        self._reaching = self._readying = None
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _reach(self) -> Client:
        try:
            backend = await reach(self.launch, lambda text: self._report(LinkState("starting", text)))
            if self.backend is None or backend.process is not None or not self.backend.ours:
                self.backend = backend
            if self._client is not None:
                await self._client.close()
            self._client = await open_client(backend.url, self.launch.key_for(backend.url))
        except TerminalError as error:
            self._report(LinkState("lost", error.message))
            raise
        return self._client

    async def _ready(self) -> Client:
        client = await self.client()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_S
        said = ""
        while True:
            try:
                state = _state(await client.ready())
            except ClientError as error:
                self.lost(error)
                raise
            if state.kind != "starting" or loop.time() > deadline:
                self._report(state)
                return client
            if state.text != said:
                said = state.text
                self._report(state)
            await asyncio.sleep(POLL_S)


def _failed(task: asyncio.Task[Client]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _state(health: wire.Health) -> LinkState:
    kinds: dict[str, Literal["starting", "ready", "degraded"]] = {"starting": "starting", "ready": "ready"}
    wrong = [f"{name}: {check}" for name, check in health.checks.items() if check != "ok"]
    return LinkState(kinds.get(health.status, "degraded"), ", ".join(wrong) or health.status, health.policy)
