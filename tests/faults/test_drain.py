"""SIGTERM: new requests are refused, running replies end or are kept in part, and the process ends with 0."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from memory.config import MemoryConfig
from memory.ledger.ledger import Ledger
from tests.fakes.gate import Gate
from tests.fakes.scripted_answers import reply
from tests.fakes.scripted_server import ScriptedServer
from tests.fakes.serve_process import client_of, serving


@pytest.mark.slow
@pytest.mark.parametrize("ends", [True, False])
async def test_a_running_reply_ends_or_is_kept_in_part_and_new_requests_are_refused(ends: bool, tmp_path: Path) -> None:
    gate = Gate()
    async with ScriptedServer(reply(["Take ", "your time. ", gate, "I listen."])) as server:
        with serving(tmp_path, server.base_url, drain_s=60 if ends else 0.5) as process:
            async with client_of(process, tmp_path) as client:
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
