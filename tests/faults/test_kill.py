"""kill -9 between any two steps of a turn: what was acknowledged is there once, and reflection finishes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant.remote import Remote, find
from tests.fakes.backend import running
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_model import ScriptedModel

SCRIPT = Path(__file__).parent / "crashing_backend.py"
ROOT = Path(__file__).parent.parent.parent
SAID = "My dog Biscuit has a bad hip."
STEPS = ("screened", "committed", "recalled", "composed", "speaking", "spoken", "replied")


@contextmanager
def doomed(home: Path, fatal: str) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """A backend process that dies at `fatal`, and a client of it."""
    process = subprocess.Popen([sys.executable, str(SCRIPT), str(home), fatal], cwd=ROOT)
    try:
        with _announced(process, home).client(30) as client:
            yield process, client
    finally:
        process.kill()
        process.wait(60)


def _announced(process: subprocess.Popen[bytes], home: Path) -> Remote:
    while process.poll() is None:
        remote = find(home)
        if remote is not None:
            return remote
    raise AssertionError(f"the backend ended with {process.returncode} before it answered")


def _send(client: httpx.Client, conversation: str) -> list[dict[str, Any]]:
    """Send the message once and return the events that arrived, however the stream ended."""
    path = f"/v1/conversations/{conversation}/messages"
    body = {"content": SAID, "stream": True, "client_message_id": "1"}
    events: list[dict[str, Any]] = []
    try:
        with client.stream("POST", path, json=body) as response:
            events += [json.loads(line[5:]) for line in response.iter_lines() if line.startswith("data:")]
    except httpx.TransportError:
        pass
    return events


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_any_step_nothing_acknowledged_is_missing_or_doubled(step: str, tmp_path: Path) -> None:
    with doomed(tmp_path, step) as (process, client):
        conversation = client.post("/v1/conversations").json()["id"]
        events = _send(client, conversation)
        assert process.wait(30) == -9
    assert not any(event["type"] == "message.completed" for event in events)
    if any(event["type"] == "message.created" for event in events):
        assert step != "screened"
    async with running(tmp_path, policy=ScriptedModel(), embedder=shared_embedder()) as backend:
        said = [m["text"] for m in await backend.messages(conversation) if m["role"] == "user"]
        assert said == ([] if step == "screened" else [SAID])
        again = [event async for event in backend.stream(conversation, SAID, client_message_id="1")]
        assert again[-1].type == "message.completed"
        assert [m["role"] for m in await backend.messages(conversation)] == ["user", "assistant"]
        assert [fact["evidence"][0]["quote"] for fact in await backend.memories()] == [SAID]
