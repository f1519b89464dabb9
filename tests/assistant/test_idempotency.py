"""The header Idempotency-Key: the same request sent again is one turn, also after a restart; another one is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx

from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_model import ScriptedModel


async def complete(backend: Backend, key: str, *texts: str) -> httpx.Response:
    roles = ("user", "assistant")
    messages: list[dict[str, Any]] = [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]
    body = {"model": "attune", "messages": messages}
    return await backend.client.post("/v1/chat/completions", json=body, headers={"idempotency-key": key})


async def send(backend: Backend, conversation: str, key: str, text: str) -> httpx.Response:
    path = f"/v1/conversations/{conversation}/messages"
    return await backend.client.post(path, json={"content": text}, headers={"idempotency-key": key})


async def test_a_message_sent_again_under_its_key_is_one_turn(backend: Backend, model: ScriptedModel) -> None:
    conversation = await backend.conversation()
    sent = await asyncio.gather(*(send(backend, conversation, "a", "ok") for _ in range(4)))
    assert len({one.json()["message"]["id"] for one in sent}) == 1
    assert (await send(backend, conversation, "a", "something else")).status_code == 409
    assert (await send(backend, conversation, "b", "ok")).status_code == 200
    assert len(await backend.messages(conversation)) == 4
    assert len(model.prompts) == 2


async def test_a_completion_sent_again_under_its_key_is_one_turn(backend: Backend, model: ScriptedModel) -> None:
    sent = await asyncio.gather(*(complete(backend, "a", "hello") for _ in range(4)))
    assert len({one.json()["id"] for one in sent}) == 1
    for other in (("goodbye",), ("x", "y", "hello")):
        refused = await complete(backend, "a", *other)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert (await complete(backend, "b", "hello")).json()["id"] != sent[0].json()["id"]
    assert len(model.prompts) == 2


async def test_a_key_is_remembered_over_a_restart(tmp_path: Path, model: ScriptedModel) -> None:
    ids = []
    for _ in range(2):
        async with running(tmp_path, policy=model, embedder=shared_embedder()) as backend:
            ids.append((await complete(backend, "a", "hello")).json()["id"])
            assert len((await backend.client.get("/v1/conversations")).json()["data"]) == 1
    assert ids[0] == ids[1]
    assert len(model.prompts) == 1


async def test_a_key_that_is_too_long_is_refused(backend: Backend) -> None:
    assert (await complete(backend, "k" * 300, "hello")).status_code == 422
