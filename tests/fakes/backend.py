"""The whole backend on real HTTP in the test's own event loop: real storage, and whatever model the test gives."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from httpx_sse import aconnect_sse

from assistant import wire
from assistant.app import create_app
from assistant.config import AssistantConfig, ModelConfig
from assistant.models.door import Model
from assistant.owner import owner_key
from assistant.runtime import Runtime, open_runtime
from assistant.serve import Server
from memory.embedder import Embedder

_LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class Backend:
    """A running backend and a client with the local owner's key."""

    url: str
    runtime: Runtime
    client: httpx.AsyncClient
    key: str

    async def conversation(self) -> str:
        """Begin a conversation and return its id."""
        return str((await self.client.post("/v1/conversations")).json()["id"])

    async def as_somebody_else(self) -> None:
        """Go on with the key of a new person in place of the owner's."""
        person = await self.runtime.ledger.users.create()
        _, secret = await self.runtime.ledger.keys.create("user", person.id)
        self.client.headers["authorization"] = f"Bearer {secret}"

    async def say(self, conversation: str, text: str, **fields: Any) -> httpx.Response:
        """Send a message and wait for the whole reply."""
        return await self.client.post(f"/v1/conversations/{conversation}/messages", json={"content": text, **fields})

    async def stream(self, conversation: str, text: str, **fields: Any) -> AsyncIterator[wire.Event]:
        """Send a message and yield the events of its turn."""
        path, body = f"/v1/conversations/{conversation}/messages", {"content": text, "stream": True, **fields}
        async with aconnect_sse(self.client, "POST", path, json=body) as source:
            source.response.raise_for_status()
            async for frame in source.aiter_sse():
                event = wire.EVENT.validate_json(frame.data)
                assert frame.event == event.type
                yield event

    async def messages(self, conversation: str) -> list[dict[str, Any]]:
        """The stored messages of a conversation."""
        return list((await self.client.get(f"/v1/conversations/{conversation}/messages")).json()["data"])

    async def memories(self) -> list[dict[str, Any]]:
        """What is remembered about the owner, after everything queued was reflected on."""
        assert await self.runtime.worker.drain(240)
        return list((await self.client.get("/v1/me/memories")).json()["data"])


class _Prompt(Server):
    """Ends as soon as it is told to: uvicorn looks ten times a second whether it was."""

    async def main_loop(self) -> None:
        """Look more often."""
        await self.on_tick(0)
        while not self.should_exit:  # noqa: ASYNC110 - a flag of uvicorn's
            await asyncio.sleep(_LOOK_S)


@asynccontextmanager
async def running(
    home: Path,
    *,
    policy: Model | None = None,
    embedder: Embedder | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    **settings: Any,
) -> AsyncIterator[Backend]:
    """Serve on a free loopback port until left; `settings` are the configuration beside the home.

    Nobody is limited unless `settings` say so: tests speak faster than people.
    """
    server_settings = {"messages_per_minute": 0, "streams_at_once": 0, "drain_s": 10, **settings.pop("server", {})}
    fixed = {"home": home, "discover": False, "reflect": ModelConfig(engine="builtin"), "server": server_settings}
    config = AssistantConfig(**{**fixed, **settings})
    opened: list[Runtime] = []

    @asynccontextmanager
    async def open_and_keep() -> AsyncIterator[Runtime]:
        async with open_runtime(config, policy=policy, embedder=embedder, now=now) as runtime:
            opened.append(runtime)
            yield runtime

    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(config, open=open_and_keep)
    server = _Prompt(app, config.server)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started and not serving.done():
            await asyncio.wait({serving}, timeout=0.02)
        key = owner_key(home)
        assert key is not None
        headers = {"authorization": f"Bearer {key}"}
        # Nothing here speaks TLS, and to read the certificates for it takes longer than to answer.
        client = httpx.AsyncClient(base_url=url, headers=headers, timeout=240, trust_env=False, verify=False)
        async with client:
            yield Backend(url, opened[0], client, key)
    finally:
        server.should_exit = True
        await serving
