import io
import json
import zipfile
from typing import Any

import httpx

from memory.types import Kind, NewFact
from tests.fakes.backend import Backend
from tests.fakes.traces import in_files


async def export(backend: Backend) -> httpx.Response:
    made = await backend.client.post("/v1/me/export")
    assert made.status_code == 202
    path = f"/v1/me/export/{made.json()['id']}"
    assert await backend.runtime.worker.drain(240)
    return await backend.client.get(path)


async def bring(backend: Backend, format: str, content: bytes) -> dict[str, Any]:
    answer = await backend.client.post(f"/v1/me/import?format={format}", content=content)
    assert answer.status_code == 200
    return dict(json.loads(answer.text.splitlines()[-1]))


async def test_what_is_exported_can_be_brought_back_after_everything_was_erased(backend: Backend) -> None:
    await backend.say(await backend.conversation(), "My dog is called Biscuit.")
    (memory,) = await backend.memories()
    exported = await export(backend)
    assert exported.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(exported.content)) as packed:
        assert "Biscuit" in packed.read("memories.md").decode()

    receipt = (await backend.client.delete("/v1/me")).json()
    assert (receipt["exports"], receipt["remaining"]) == (1, 0)
    assert (await backend.client.get(str(exported.request.url))).status_code == 404
    brought = await bring(backend, "attune", exported.content)
    assert (brought["conversations"], brought["messages"], brought["facts"]) == (1, 2, 1)
    (again,) = await backend.memories()
    assert (again["text"], again["evidence"][0]["quote"]) == (memory["text"], memory["evidence"][0]["quote"])
    assert (await bring(backend, "attune", exported.content))["conversations"] == 0
    assert await backend.runtime.index.ids(backend.runtime.owner.id) == {again["id"]}


async def test_an_export_belongs_to_one_person(backend: Backend) -> None:
    path = str((await export(backend)).request.url)
    await backend.as_somebody_else()
    assert (await backend.client.get(path)).status_code == 404
    assert (await backend.client.get("/v1/me/export/nothing")).status_code == 404


async def test_imported_history_is_learned_from_and_importing_again_adds_nothing(backend: Backend) -> None:
    said = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["My cat is called Minka."]}}
    mapping = {"a": {"message": said, "parent": None}}
    chat = {"id": "c1", "title": "Cats", "create_time": 1.7e9, "mapping": mapping, "current_node": "a"}
    lines = [
        {"conversation": "x", "role": "user", "content": "I live in Lisbon.", "created_at": "2024-05-06T07:08:09Z"},
        {"conversation": "x", "role": "assistant", "content": "Nice."},
    ]
    chatgpt, jsonl = json.dumps([chat, {}]).encode(), "\n".join(map(json.dumps, lines)).encode()
    for expected in (1, 0):
        brought = await bring(backend, "chatgpt", chatgpt)
        assert (brought["conversations"], brought["already_there"]) == (expected, 1 - expected)
        assert len(brought["skipped"]) == 1
        assert (await bring(backend, "jsonl", jsonl))["conversations"] == expected
    texts = {memory["text"]: memory["valid_from"] for memory in await backend.memories()}
    assert len(texts) == 2 and any("Minka" in text for text in texts)
    assert all(at < "2025" for at in texts.values())


async def test_a_file_that_cannot_be_imported_says_why_and_leaves_nothing(backend: Backend) -> None:
    brought = await bring(backend, "attune", b"no zip")
    assert brought["type"] == "error" and "the file" in brought["message"]
    assert in_files(backend.runtime.home, "no zip") == []


async def test_operators_import_several_people_at_once(backend: Backend) -> None:
    lines = [{"user": who, "conversation": "x", "role": "user", "content": "I row."} for who in ("ada", "bob")]
    content = "\n".join(map(json.dumps, lines)).encode()
    answer = await backend.client.post("/v1/admin/import/jsonl", content=content)
    assert json.loads(answer.text.splitlines()[-1])["people"] == 2
    one = await bring(backend, "jsonl", content)
    assert (one["conversations"], len(one["skipped"])) == (1, 1)


async def test_what_was_inferred_waits_for_the_persons_word(backend: Backend) -> None:
    ledger, owner = backend.runtime.ledger, backend.runtime.owner
    facts = []
    for text in ("Likes water.", "Is shy."):
        new = NewFact(text, Kind.PREFERENCE, 0.4, "inferred", (), owner.created_at)
        facts.append(await ledger.facts.add(owner.id, new))
        await backend.runtime.index.add(facts[-1])

    async def waiting() -> list[str]:
        found = (await backend.client.get("/v1/me/memories", params={"status": "unconfirmed"})).json()["data"]
        return [one["text"] for one in found]

    assert await waiting() == ["Is shy.", "Likes water."]
    confirmed = await backend.client.post(f"/v1/me/memories/{facts[0].id}/confirm")
    assert (confirmed.json()["review"], confirmed.json()["status"]) == ("confirmed", "active")
    for _ in range(2):
        declined = await backend.client.post(f"/v1/me/memories/{facts[1].id}/decline")
        assert (declined.json()["review"], declined.json()["status"]) == ("declined", "superseded")
    assert await waiting() == []
    assert (await backend.client.post(f"/v1/me/memories/{facts[1].id}/confirm")).status_code == 409
    assert [one["text"] for one in await backend.memories()] == ["Likes water."]
    assert await backend.runtime.index.ids(owner.id) == {facts[0].id}
