"""What the person states and corrects about themselves, by hand."""

from __future__ import annotations

import pytest

from assistant import wire
from memory.types import Kind
from tests.fakes.backend import Backend

PATH = "/v1/me/memories"


async def used(backend: Backend, text: str) -> list[str]:
    return list((await backend.say(await backend.conversation(), text)).json()["context"]["facts"])


async def test_what_the_person_states_is_remembered_and_used(backend: Backend) -> None:
    made = await backend.client.post(PATH, json={"text": "My dog Biscuit has a bad hip.", "kind": "possession"})
    assert made.status_code == 201
    assert (made.json()["origin"], made.json()["kind"], made.json()["evidence"]) == ("edited", "possession", [])
    again = await backend.client.post(PATH, json={"text": "my dog Biscuit has a bad hip"})
    assert again.json()["id"] == made.json()["id"]
    assert await used(backend, "I am worried about my dog and his hip.") == ["My dog Biscuit has a bad hip."]


async def test_a_correction_takes_the_place_of_what_was_learned(backend: Backend) -> None:
    conversation = await backend.conversation()
    await backend.say(conversation, "My dog Biscuit has a bad hip.")
    [memory] = await backend.memories()
    path, right = f"{PATH}/{memory['id']}", {"text": "My dog Biscuit has a bad knee."}
    corrected = (await backend.client.patch(path, json=right)).json()
    assert corrected["kind"] == memory["kind"]
    assert (await backend.client.patch(path, json=right)).json()["id"] == corrected["id"]
    assert (await backend.client.patch(path, json={"text": "My dog is fine."})).status_code == 409
    assert [m["id"] for m in await backend.memories()] == [corrected["id"]]
    assert await backend.runtime.index.ids(backend.runtime.owner.id) == {corrected["id"]}
    await backend.client.delete(f"/v1/conversations/{conversation}")
    assert [m["text"] for m in await backend.memories()] == [right["text"]]
    assert await used(backend, "I am worried about my dog and his knee.") == [right["text"]]


@pytest.mark.parametrize(
    "body", [{"text": " "}, {"text": "a\x00"}, {"text": "x" * 1001}, {"text": "x", "kind": "y"}, {}]
)
async def test_what_cannot_be_a_memory_is_refused(backend: Backend, body: dict[str, str]) -> None:
    assert (await backend.client.post(PATH, json=body)).status_code == 422
    assert await backend.memories() == []


def test_the_wire_knows_every_kind() -> None:
    assert set(wire.MemoryKind.__args__) == {kind.value for kind in Kind}  # type: ignore[attr-defined]


async def test_evidence_says_where_the_words_of_a_memory_stand(backend: Backend) -> None:
    conversation = await backend.conversation()
    await backend.say(conversation, "My dog Biscuit has a bad hip.")
    [memory] = await backend.memories()
    [said, _] = await backend.messages(conversation)
    found = (await backend.client.get(f"{PATH}/{memory['id']}/evidence")).json()["data"]
    assert found == [
        {
            "message_id": said["id"],
            "conversation_id": conversation,
            "quote": memory["evidence"][0]["quote"],
            "said_at": said["created_at"],
        }
    ]
    by_hand = (await backend.client.post(PATH, json={"text": "I live in Bern."})).json()
    assert (await backend.client.get(f"{PATH}/{by_hand['id']}/evidence")).json() == {"data": []}
