"""Activation and rollback while fifty people are being answered: no request is lost, no stream is interrupted.

The load runs for some twenty seconds here; for three minutes: ATTUNE_LOAD_S=180 pytest -s and this file. Memory is off:
what is measured is the way of the requests, on however busy a machine.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from httpx_sse import aconnect_sse

from assistant import wire
from assistant.config import AssistantConfig, PoliciesConfig
from assistant.policies import Registry
from assistant.remote import Remote
from memory.config import MemoryConfig
from memory.ledger.ledger import Ledger
from tests.fakes import policies
from tests.fakes.scripted_answers import Answer
from tests.fakes.scripted_server import Recorded, ScriptedServer
from training.backend_server import run_backend
from training.vllm_server import VllmServer

PEOPLE = 50
LOAD_S = float(os.environ.get("ATTUNE_LOAD_S", "0"))
"""At least so long; two moves are made in any case."""
ENOUGH = 10
"""Replies under one policy before the next move."""
SHOWS_WITHIN_S = 2.0 if LOAD_S else 15.0
"""Without a measurement being asked for, the machine may be busy with anything."""
WORDS, WORD_S = 10, 0.5
UNLIMITED = {"ATTUNE_SERVER__MESSAGES_PER_MINUTE": "0", "ATTUNE_SERVER__STREAMS_AT_ONCE": "0"}
CONFIGURED = "openai_compatible:scripted"
MODELS = {CONFIGURED: "scripted"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(LOAD_S + 240)]


Asked = list[tuple[float, str]]
"""When the model server was asked, and for which policy."""


def speaking(request: Recorded, asked: Asked) -> Answer:
    """A reply of about five seconds that says in every word which policy speaks."""
    name = request.json["model"].removeprefix("attune-")
    asked.append((time.monotonic(), name))
    return Answer(tuple(f"{name} " for _ in range(WORDS)), delay_s=WORD_S)


@dataclass(slots=True)
class Seen:
    """What the people under load saw."""

    replies: int = 0
    wrong: list[str] = field(default_factory=list)
    by_version: Counter[str] = field(default_factory=Counter)
    over: bool = False
    completed: asyncio.Condition = field(default_factory=asyncio.Condition)
    open: int = 0
    most_open: int = 0

    async def enough(self, version: str) -> None:
        """Wait until so many more replies came under a version."""
        until = self.by_version[version] + ENOUGH
        async with self.completed:
            await self.completed.wait_for(lambda: self.by_version[version] >= until)


@pytest.fixture
def asked() -> Asked:
    return []


@pytest.fixture
async def server(asked: Asked) -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(takes_loras=True, default=lambda request: speaking(request, asked)) as server:
        yield server


async def chat_on(url: str, key: str, seen: Seen) -> None:
    """One person who says the next thing as soon as they were answered."""
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120, trust_env=False) as client:
        await asyncio.sleep(random.uniform(0, WORDS * WORD_S))  # people do not all speak at once
        conversation = (await client.post("/v1/conversations")).json()["id"]
        number = 0
        while not seen.over:
            number += 1
            path, said = f"/v1/conversations/{conversation}/messages", f"This is message {number}."
            await _answered(client, path, {"content": said, "stream": True}, seen)


async def _answered(client: httpx.AsyncClient, path: str, body: dict[str, object], seen: Seen) -> None:
    """Follow one reply to its end and note what was wrong with it."""
    text, last = "", "nothing"
    async with aconnect_sse(client, "POST", path, json=body) as source:
        seen.open += 1
        seen.most_open = max(seen.most_open, seen.open)
        async for frame in source.aiter_sse():
            event = wire.EVENT.validate_json(frame.data)
            last = event.type
            if isinstance(event, wire.Delta):
                text += event.text
            if isinstance(event, wire.MessageCompleted):
                said = text.split()
                if len(said) != WORDS or set(said) != {MODELS.get(event.policy_version, event.policy_version)}:
                    seen.wrong.append(f"{event.policy_version}: {text!r}")
                async with seen.completed:
                    seen.by_version[event.policy_version] += 1
                    seen.completed.notify_all()
        seen.open -= 1
    seen.replies += 1
    if last != "message.completed":
        seen.wrong.append(f"ended with {last}")


async def _ready(backend: Remote) -> None:
    """Wait until the backend has loaded everything: that keeps its processor from the rest."""
    async with httpx.AsyncClient(base_url=backend.url, timeout=60, trust_env=False) as client:
        while (await client.get("/readyz")).json()["status"] == "starting":  # noqa: ASYNC110
            await asyncio.sleep(0.5)


async def _move_under_load(
    tmp_path: Path, backend: Remote, server: ScriptedServer, seen: Seen
) -> tuple[list[tuple[float, str]], float]:
    """Activate and roll back while everybody talks; returns the moves with their times, and the seconds it took."""
    home, gates = tmp_path / "home", PoliciesConfig(gates=())
    moved: list[tuple[float, str]] = []
    async with Ledger.open(MemoryConfig(home=home)) as ledger:
        keys = []
        for _ in range(PEOPLE):
            person = (await ledger.users.create()).id
            await ledger.settings.update(person, memory=False, persona=False)
            keys.append((await ledger.keys.create("user", person))[1])
        load = asyncio.gather(*(chat_on(backend.url, key, seen) for key in keys))
        started = time.monotonic()
        registry = Registry(ledger, AssistantConfig(home=home, policies=gates))
        await seen.enough(CONFIGURED)
        while not moved or time.monotonic() < started + LOAD_S:
            version = f"p{len(moved) // 2 + 1}"
            path = policies.adapter(tmp_path / version, version)
            await registry.register(policies.spec(version, path, server.base_url), "operator")
            await registry.activate(version, "operator")
            moved.append((time.monotonic(), version))
            await seen.enough(version)
            await registry.roll_back("operator")
            moved.append((time.monotonic(), CONFIGURED))
            await seen.enough(CONFIGURED)
        seen.over = True
        await load
    return moved, time.monotonic() - started


async def test_moving_policies_under_load_loses_no_request_and_interrupts_no_stream(
    tmp_path: Path, server: ScriptedServer, asked: Asked
) -> None:
    seen, policy = Seen(), VllmServer(server.base_url, "scripted", 8192, 0)
    opening = run_backend(tmp_path / "home", policy, log=tmp_path / "backend.log", settings=UNLIMITED)
    backend = await asyncio.to_thread(opening.__enter__)
    try:
        await _ready(backend)
        moved, seconds = await _move_under_load(tmp_path, backend, server, seen)
    finally:
        await asyncio.to_thread(opening.__exit__, None, None, None)
    delays = _delays(asked, moved)
    print(  # noqa: T201
        f"{seen.replies} replies in {seconds:.0f} s, at most {seen.most_open} at once, {len(moved)} moves; seconds "
        f"from each move until the policy of before was asked for the last time: {delays}"
    )
    assert seen.wrong == []
    assert seen.most_open == PEOPLE
    assert len(server.chats) == seen.replies + len(moved) // 2, "no request was sent twice; the warm-ups are the rest"
    assert max(delays) <= SHOWS_WITHIN_S


def _delays(asked: Asked, moved: list[tuple[float, str]]) -> list[float]:
    """For each move, the time until the policy of before was asked for the last time; warm-ups are of the next one."""
    found, before = [], MODELS[CONFIGURED]
    for (at, version), ends in zip(moved, [at for at, _ in moved[1:]] + [float("inf")], strict=True):
        late = [moment - at for moment, model in asked if at <= moment < ends and model == before]
        found.append(round(max(late, default=0.0), 2))
        before = MODELS.get(version, version)
    return found
