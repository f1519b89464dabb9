"""SIGTERM: new requests are refused, running replies end or are kept in part, and the process ends with 0."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant.remote import Remote, find
from memory.config import MemoryConfig
from memory.ledger.ledger import Ledger
from tests.fakes.gate import Gate
from tests.fakes.scripted_answers import reply
from tests.fakes.scripted_server import ScriptedServer

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def _serving(home: Path, model_url: str, drain_s: float) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "ATTUNE_HOME": str(home),
        "ATTUNE_DISCOVER": "false",
        "ATTUNE_POLICY__BASE_URL": model_url,
        "ATTUNE_REFLECT__ENGINE": "builtin",
        "ATTUNE_SERVER__DRAIN_S": str(drain_s),
    }
    command = [sys.executable, "-m", "assistant.cli", "serve", "--port", "0", "--log-format", "json"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait(60)


@asynccontextmanager
async def _client(process: subprocess.Popen[bytes], home: Path) -> AsyncIterator[httpx.AsyncClient]:
    remote: Remote | None = None
    while remote is None:
        assert process.poll() is None, (home / "log").read_text()
        await asyncio.sleep(0.1)  # another process starts: there is nothing to await
        remote = find(home)
    headers = {"authorization": f"Bearer {remote.key}"}
    async with httpx.AsyncClient(base_url=remote.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


@pytest.mark.slow
@pytest.mark.parametrize("ends", [True, False])
async def test_a_running_reply_ends_or_is_kept_in_part_and_new_requests_are_refused(ends: bool, tmp_path: Path) -> None:
    gate = Gate()
    async with ScriptedServer(reply(["Take ", "your time. ", gate, "I listen."])) as server:
        with _serving(tmp_path, server.base_url, drain_s=60 if ends else 0.5) as process:
            async with _client(process, tmp_path) as client:
                conversation = (await client.post("/v1/conversations")).json()["id"]
                body = {"content": "My week was long.", "stream": True}
                events: list[dict[str, Any]] = []
                async with client.stream("POST", f"/v1/conversations/{conversation}/messages", json=body) as response:
                    async for line in response.aiter_lines():
                        if not line.startswith("data:"):
                            continue
                        events.append(json.loads(line[5:]))
                        if events[-1]["type"] == "delta" and len([e for e in events if e["type"] == "delta"]) == 1:
                            process.send_signal(signal.SIGTERM)
                            await _until_refused(str(client.base_url))
                            if ends:
                                gate.open()
                assert process.wait(60) == 0
        assert events[-1]["type"] == "message.completed"
        assert events[-1]["message"]["status"] == ("complete" if ends else "partial")
        kept = events[-1]["message"]["text"]
        assert kept == ("Take your time. I listen." if ends else "Take your time. ")
        gate.open()
        log = (tmp_path / "log").read_text()
        assert "My week" not in log
        assert all(json.loads(line)["level"] in ("info", "warning") for line in log.splitlines())
    async with Ledger.open(MemoryConfig(home=tmp_path)) as ledger:
        owner = await ledger.users.owner()
        listed, _ = await ledger.messages.list(owner.id, conversation)
        assert [(m.role, m.text) for m in listed] == [("user", "My week was long."), ("assistant", kept)]


async def _until_refused(url: str) -> None:
    while True:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=5) as another:
                await another.get(f"{url}/healthz")
        except httpx.ConnectError:
            return
        except (httpx.ReadError, httpx.RemoteProtocolError):
            continue  # it was asked just before it closed
