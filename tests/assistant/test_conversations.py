"""Conversations over HTTP: renamed, archived, searched, deleted with what rests on them; incognito leaves nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from assistant.incognito import sweep
from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.gate import Gate
from tests.fakes.scripted_model import ScriptedModel


async def listed(backend: Backend, **query: str) -> list[str]:
    return [one["id"] for one in (await backend.client.get("/v1/conversations", params=query)).json()["data"]]


async def test_a_conversation_is_renamed_and_archived(backend: Backend) -> None:
    id = await backend.conversation()
    path = f"/v1/conversations/{id}"
    changed = (await backend.client.patch(path, json={"title": "Work", "archived": True})).json()
    assert (changed["title"], changed["archived"]) == ("Work", True)
    assert await listed(backend) == []
    assert await listed(backend, archived="true") == [id]
    back = (await backend.client.patch(path, json={"archived": False})).json()
    assert (back["title"], back["archived"]) == ("Work", False)
    assert (await backend.client.patch(path, json={"owner": "me"})).status_code == 422


async def test_conversations_are_found_by_what_was_said_in_them(backend: Backend) -> None:
    garden, work = await backend.conversation(), await backend.conversation()
    await backend.say(garden, "The tomatoes are ripe.")
    await backend.say(work, "My boss shouted.")
    assert await listed(backend, q="tomatoes") == [garden]
    assert set(await listed(backend, q="I hear you")) == {garden, work}
    assert await listed(backend, q="100%") == []


async def test_deleting_a_conversation_deletes_what_was_learned_from_it_alone(backend: Backend) -> None:
    first, second = await backend.conversation(), await backend.conversation()
    await backend.say(first, "My dog Biscuit has a bad hip.")
    await backend.say(first, "My sister Ana lives in Porto.")
    await backend.say(second, "My sister Ana lives in Porto.")
    known = {memory["text"]: memory["id"] for memory in await backend.memories()}
    planned = (await backend.client.delete(f"/v1/conversations/{first}?dry_run=true")).json()
    assert len(await backend.messages(first)) == 4
    receipt = (await backend.client.delete(f"/v1/conversations/{first}")).json()
    assert (len(receipt["messages"]), receipt["verified"], receipt["remaining"]) == (4, True, 0)
    assert receipt["facts"] == planned["facts"] == [known["My dog Biscuit has a bad hip."]]
    assert [memory["text"] for memory in await backend.memories()] == ["My sister Ana lives in Porto."]
    owner = backend.runtime.owner.id
    assert await backend.runtime.index.ids(owner) == {known["My sister Ana lives in Porto."]}
    assert (await backend.client.get(f"/v1/conversations/{first}")).status_code == 404
    assert (await backend.client.delete(f"/v1/conversations/{first}")).status_code == 404
    assert await listed(backend) == [second]


async def test_deleting_ends_a_running_reply_first_and_nothing_of_it_can_be_followed(
    backend: Backend, model: ScriptedModel
) -> None:
    gate = Gate()
    model.replies.append(["So far", gate, " never said"])
    id = await backend.conversation()
    saying = asyncio.create_task(backend.say(id, "hello"))
    await gate.reached.wait()
    [turn] = backend.runtime.turns.running(id)
    receipt = await backend.client.delete(f"/v1/conversations/{id}")
    assert (receipt.status_code, len(receipt.json()["messages"])) == (200, 2)
    assert (await saying).json()["message"]["status"] == "partial"
    assert (await backend.client.get(f"/v1/streams/{turn.id}")).status_code == 404
    assert (await backend.say(id, "hello")).status_code == 404
    assert await backend.runtime.ledger.messages.unanswered() == []


async def incognito(backend: Backend) -> str:
    made = (await backend.client.post("/v1/conversations", json={"incognito": True})).json()
    assert made["incognito"] is True
    return str(made["id"])


async def test_an_incognito_conversation_teaches_nothing_is_not_listed_and_is_gone_when_closed(
    backend: Backend, model: ScriptedModel
) -> None:
    id = await incognito(backend)
    assert (await backend.say(id, "My dog Biscuit has a bad hip.")).status_code == 200
    assert (await backend.say(id, "What is my dog called?")).status_code == 200
    assert "Biscuit" in str(model.prompts[-1].messages)
    assert await backend.memories() == []
    assert await listed(backend) == await listed(backend, archived="true") == await listed(backend, q="Biscuit") == []
    assert len(await backend.messages(id)) == 4
    assert len((await backend.client.delete(f"/v1/conversations/{id}")).json()["messages"]) == 4
    assert (await backend.client.get(f"/v1/conversations/{id}/messages")).status_code == 404
    home = backend.runtime.home
    left = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    assert b"Biscuit" not in left


async def test_incognito_conversations_end_with_the_backend_and_after_a_day(
    tmp_path: Path, model: ScriptedModel
) -> None:
    async with running(tmp_path, policy=model, embedder=shared_embedder()) as backend:
        left_open, kept = await incognito(backend), await backend.conversation()
        await backend.say(left_open, "hello")
        now = datetime.now(UTC)
        assert await sweep(backend.runtime, now - timedelta(days=1)) == 0
    async with running(tmp_path, policy=model, embedder=shared_embedder()) as backend:
        assert (await backend.client.get(f"/v1/conversations/{left_open}")).status_code == 404
        assert await listed(backend) == [kept]
        id = await incognito(backend)
        assert await sweep(backend.runtime, now + timedelta(days=1)) == 1
        assert (await backend.client.get(f"/v1/conversations/{id}")).status_code == 404
