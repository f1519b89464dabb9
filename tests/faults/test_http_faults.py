"""What a client sees over HTTP when the model's server or the storage fails, and what is kept."""

from __future__ import annotations

import asyncio
import json
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant import wire
from assistant.config import ModelConfig
from assistant.models.openai_compatible import OpenAICompatible
from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.gate import Gate
from tests.fakes.scripted_answers import Scripted, cut_after, drop, error, hang, not_json, reply
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.scripted_server import ScriptedServer
from tests.fakes.serve_process import client_of, serving

NO_ROOM = 4096
"""Bytes that a file may have where nothing more fits: less than every database has."""
FAULTS: dict[str, tuple[Scripted, str]] = {
    "dropped": (drop(), "model_unavailable"),
    "hung": (hang(), "model_unavailable"),
    "500": (error(500), "model_unavailable"),
    "garbled": (not_json(), "model_garbled"),
}


async def test_a_model_that_fails_is_told_and_the_message_is_kept_and_answered_later(tmp_path: Path) -> None:
    await shared_embedder().ready()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ScriptedServer())
        config = ModelConfig(base_url=server.base_url, model="scripted", retries=0, first_token_timeout_s=5)
        model = OpenAICompatible(config)
        async with running(tmp_path, policy=model, embedder=shared_embedder()) as backend:
            for name, (fault, code) in FAULTS.items():
                conversation, text = await backend.conversation(), f"My week was long, says {name}."
                server.answers.append(fault)
                await _refused(backend, conversation, text, code)
                [kept] = await backend.messages(conversation)
                answered = await backend.client.post(f"/v1/messages/{kept['id']}/regenerate", json={})
                assert answered.status_code == 200, (name, answered.text)
                assert [m["role"] for m in await backend.messages(conversation)] == ["user", "assistant"]
            await _cut_in_mid_stream(backend, server)
            await stack.aclose()
            await _refused(backend, await backend.conversation(), "Is anybody there?", "model_unavailable")


async def _refused(backend: Backend, conversation: str, text: str, code: str) -> None:
    failed = await backend.say(conversation, text)
    assert (failed.status_code, failed.json()["error"]["code"]) == (503, code), failed.text
    assert "Your message is kept" in failed.json()["error"]["message"]
    assert [m["text"] for m in await backend.messages(conversation)] == [text]


async def _cut_in_mid_stream(backend: Backend, server: ScriptedServer) -> None:
    conversation = await backend.conversation()
    server.answers.append(cut_after("Half ", "a "))
    events = [event async for event in backend.stream(conversation, "And then?")]
    assert [event.text for event in events if isinstance(event, wire.Delta)] == ["Half ", "a "]
    assert isinstance(events[-1], wire.StreamError) and events[-1].error.code == "model_unavailable"
    [_, partial] = await backend.messages(conversation)
    assert (partial["text"], partial["status"]) == ("Half a ", "partial")

    server.answers.append(cut_after("Half ", "a "))
    asked = {"model": "attune", "stream": True, "messages": [{"role": "user", "content": "And now?"}]}
    answer = await backend.client.post("/v1/chat/completions", json=asked)
    frames = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert json.loads(frames[-1])["error"]["code"] == "model_unavailable"


@contextmanager
def full_disk(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """No file of the process can grow, as if there were no room."""
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (NO_ROOM, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's")
async def test_with_a_full_disk_nothing_is_acknowledged_and_with_room_it_goes_on(tmp_path: Path) -> None:
    gate = Gate()
    async with ScriptedServer(default=reply("I listen.")) as server:
        with serving(tmp_path, server.base_url) as process:
            async with client_of(process, tmp_path) as client:
                path = f"/v1/conversations/{(await client.post('/v1/conversations')).json()['id']}/messages"
                assert (await client.post(path, json={"content": "One.", "client_message_id": "1"})).is_success
                two = {"content": "Two.", "client_message_id": "2"}
                with full_disk(process):
                    refused = await client.post(path, json=two)
                    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "storage_unavailable")
                    assert refused.headers["retry-after"]
                    assert (await client.get("/healthz")).status_code == 200
                    assert await _texts(client, path) == ["One.", "I listen."], "reading goes on"
                assert (await client.post(path, json=two)).status_code == 200
                assert await _texts(client, path) == ["One.", "I listen.", "Two.", "I listen."]

                server.answers.append(reply(["I ", gate, "listen."]))
                three = {"content": "Three.", "client_message_id": "3"}
                events = await _while_the_disk_fills(client, path, {**three, "stream": True}, process, gate)
                assert events[0]["type"] == "message.created", "acknowledged, and therefore kept"
                assert (events[-1]["type"], events[-1]["error"]["code"]) == ("error", "storage_unavailable")
                assert (await _texts(client, path))[-1] == "Three."
                assert (await client.post(path, json=three)).json()["message"]["text"] == "I listen."
                assert (await _texts(client, path))[-2:] == ["Three.", "I listen."]


async def _while_the_disk_fills(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], process: subprocess.Popen[bytes], gate: Gate
) -> list[dict[str, Any]]:
    """The events of a turn whose reply finds no room."""
    events: list[dict[str, Any]] = []
    async with AsyncExitStack() as stack:
        answer = await stack.enter_async_context(client.stream("POST", path, json=body))
        async for line in answer.aiter_lines():
            if not line.startswith("data:"):
                continue
            events.append(json.loads(line[5:]))
            if events[-1]["type"] == "delta" and not gate.opened:
                stack.enter_context(full_disk(process))
                gate.open()
    return events


async def _texts(client: httpx.AsyncClient, path: str) -> list[str]:
    return [one["text"] for one in (await client.get(path)).json()["data"]]


async def test_a_locked_ledger_is_waited_for(tmp_path: Path) -> None:
    await shared_embedder().ready()
    async with running(tmp_path, policy=ScriptedModel(), embedder=shared_embedder()) as backend:
        conversation = await backend.conversation()
        with closing(sqlite3.connect(tmp_path / "attune.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            saying = asyncio.create_task(backend.say(conversation, "Hello there."))
            assert await backend.messages(conversation) == [], "reading goes on"
            assert not saying.done()
            other.execute("ROLLBACK")
            assert (await saying).status_code == 200
        assert [m["role"] for m in await backend.messages(conversation)] == ["user", "assistant"]
