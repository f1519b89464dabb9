"""The message tree over HTTP: other replies, other words, branches; what is thought of a reply and why it was said."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant.errors import ModelUnreachableError
from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.gate import Gate
from tests.fakes.scripted_model import ScriptedModel


async def turn(backend: Backend, conversation: str, text: str, **fields: Any) -> tuple[str, str]:
    """Say something and return the ids of the message and its reply."""
    reply = (await backend.say(conversation, text, **fields)).json()
    return reply["user_message"]["id"], reply["message"]["id"]


async def again(backend: Backend, id: str, **more: Any) -> httpx.Response:
    return await backend.client.post(f"/v1/messages/{id}/regenerate", **more)


async def edit(backend: Backend, id: str, text: str, **fields: Any) -> httpx.Response:
    return await backend.client.post(f"/v1/messages/{id}/edit", json={"content": text, **fields})


async def texts(backend: Backend, conversation: str, **query: str) -> list[str]:
    page = await backend.client.get(f"/v1/conversations/{conversation}/messages", params=query)
    return [message["text"] for message in page.json()["data"]]


@pytest.mark.parametrize("named", ["message", "reply"])
async def test_regenerating_adds_a_variant_of_the_reply_made_from_the_same_history(
    backend: Backend, model: ScriptedModel, named: str
) -> None:
    conversation = await backend.conversation()
    await turn(backend, conversation, "My cat is called Miso.")
    model.replies.extend(["First.", "Second."])
    message, reply = await turn(backend, conversation, "What did I say?")
    made = (await again(backend, message if named == "message" else reply)).json()
    assert (made["message"]["text"], made["message"]["parent_id"]) == ("Second.", message)
    assert made["user_message"]["id"] == message
    assert model.prompts[-1].messages == model.prompts[-2].messages
    stored = await backend.messages(conversation)
    assert [m["text"] for m in stored] == ["My cat is called Miso.", "I hear you.", "What did I say?", "Second."]
    assert stored[-1]["variants"] == [reply, made["message"]["id"]]
    assert stored[-2]["variants"] == [message]
    assert (await texts(backend, conversation, leaf=reply))[-1] == "First."
    first = (await backend.client.get(f"/v1/messages/{reply}")).json()
    assert (first["text"], first["variants"]) == ("First.", stored[-1]["variants"])


async def test_regenerating_streams_and_waits_its_turn(backend: Backend, model: ScriptedModel) -> None:
    conversation = await backend.conversation()
    message, _ = await turn(backend, conversation, "hello")
    gate = Gate()
    model.replies.append(["Slow", gate, "."])
    both = [asyncio.create_task(again(backend, message)) for _ in range(2)]
    await gate.reached.wait()
    assert (await backend.say(conversation, "more")).json()["error"]["code"] == "turn_running"
    gate.open()
    assert len({(await one).json()["message"]["id"] for one in both}) == 1, "asked twice at once is one reply"
    events = (await again(backend, message, json={"stream": True})).text
    assert events.count("event: message.completed") == 1
    stored = await backend.messages(conversation)
    assert len(stored[-1]["variants"]) == 3


async def test_a_named_regeneration_that_is_sent_again_is_the_same_one(backend: Backend) -> None:
    message, _ = await turn(backend, await backend.conversation(), "hello")
    made = [await again(backend, message, headers={"idempotency-key": key}) for key in ("a", "a", "b")]
    ids = [one.json()["message"]["id"] for one in made]
    assert ids[0] == ids[1] != ids[2]


async def test_a_message_whose_model_was_down_can_be_answered_later(backend: Backend, model: ScriptedModel) -> None:
    conversation = await backend.conversation()
    model.down = ModelUnreachableError("down", retry_after=5)
    assert (await backend.say(conversation, "hello")).status_code == 503
    [message] = await backend.messages(conversation)
    model.down = None
    assert (await again(backend, message["id"])).json()["message"]["text"] == "I hear you."


async def test_an_edit_is_a_sibling_with_a_reply_of_its_own_and_the_old_branch_stays(
    backend: Backend, model: ScriptedModel
) -> None:
    conversation = await backend.conversation()
    first, first_reply = await turn(backend, conversation, "My dog Biscuit has a bad hip.")
    second, _ = await turn(backend, conversation, "He is old.")
    edited = (await edit(backend, second, "He is nine.")).json()
    assert edited["user_message"]["parent_id"] == first_reply
    assert "He is old." not in str(model.prompts[-1].messages)
    assert (await texts(backend, conversation))[2:] == ["He is nine.", "I hear you."]
    assert (await texts(backend, conversation, leaf=second))[2:] == ["He is old.", "I hear you."]
    root = (await edit(backend, first, "My cat Miso has a bad hip.")).json()["user_message"]
    assert root["parent_id"] is None
    stored = await backend.messages(conversation)
    assert [m["text"] for m in stored] == ["My cat Miso has a bad hip.", "I hear you."]
    assert stored[0]["variants"] == [first, root["id"]]
    assert "Biscuit" not in str(model.prompts[-1].messages[1:-1])
    learned = {memory["text"] for memory in await backend.memories()}
    assert {"My dog Biscuit has a bad hip.", "My cat Miso has a bad hip."} <= learned


async def test_an_edit_sent_twice_is_one_edit(backend: Backend) -> None:
    conversation = await backend.conversation()
    message, _ = await turn(backend, conversation, "hello")
    ids = {(await edit(backend, message, "hello there")).json()["user_message"]["id"] for _ in range(2)}
    assert len(ids) == 1
    named = [await edit(backend, message, "hi", client_message_id="e1") for _ in range(2)]
    assert len({one.json()["user_message"]["id"] for one in named}) == 1
    assert (await edit(backend, message, "something else", client_message_id="e1")).status_code == 409


async def test_a_conversation_goes_on_in_the_branch_that_is_named(backend: Backend, model: ScriptedModel) -> None:
    conversation = await backend.conversation()
    message, reply = await turn(backend, conversation, "one")
    await edit(backend, message, "penguins")
    await turn(backend, conversation, "two", parent_id=reply)
    assert await texts(backend, conversation) == ["one", "I hear you.", "two", "I hear you."]
    assert "penguins" not in str(model.prompts[-1].messages)
    assert (await backend.say(conversation, "x", parent_id="msg_unknown")).status_code == 404


async def test_what_cannot_be_edited_or_answered_again_is_refused(backend: Backend) -> None:
    conversation = await backend.conversation()
    _, reply = await turn(backend, conversation, "hello")
    assert (await edit(backend, reply, "better")).status_code == 409
    owner = backend.runtime.owner.id
    lonely = (await backend.runtime.ledger.messages.append(owner, conversation, "assistant", "x", as_root=True)).message
    assert (await again(backend, lonely.id)).status_code == 409
    assert (await again(backend, "msg_unknown")).status_code == 404


async def test_an_opinion_on_a_reply_is_kept_and_replaced(backend: Backend) -> None:
    conversation = await backend.conversation()
    message, reply = await turn(backend, conversation, "hello")
    path = f"/v1/messages/{reply}/feedback"
    put = await backend.client.put(path, json={"rating": "down", "reason": "cold", "better": "Hello, Ana."})
    assert put.json()["better"] == "Hello, Ana."
    assert (await backend.messages(conversation))[1]["feedback"]["reason"] == "cold"
    await backend.client.put(path, json={"rating": "up"})
    stored = (await backend.client.get(f"/v1/messages/{reply}")).json()
    assert (stored["feedback"]["rating"], stored["feedback"]["reason"]) == ("up", None)
    assert (await backend.client.put(path, json={"rating": "meh"})).status_code == 422
    on_own = await backend.client.put(f"/v1/messages/{message}/feedback", json={"rating": "up"})
    assert on_own.status_code == 409


async def test_why_names_the_facts_and_says_which_were_forgotten_since(backend: Backend) -> None:
    await backend.say(await backend.conversation(), "My dog Biscuit has a bad hip.")
    [memory] = await backend.memories()
    message, reply = await turn(backend, await backend.conversation(), "I am worried about my dog and his hip.")
    why = (await backend.client.get(f"/v1/messages/{reply}/why")).json()
    assert why["recorded"] is True
    assert [fact["text"] for fact in why["facts"]] == ["My dog Biscuit has a bad hip."]
    assert why["facts"][0]["evidence"][0]["quote"] == "My dog Biscuit has a bad hip."
    assert (why["forgotten"], why["crisis_level"]) == ([], "none")
    assert why["recall"] in ("ok", "words")
    assert why["prompt_hash"]
    assert why["plan"]["strategies"]
    assert why["persona"]["version"]
    assert why["timings"]["spoken"] > 0
    await backend.client.delete(f"/v1/me/memories/{memory['id']}")
    later = (await backend.client.get(f"/v1/messages/{reply}/why")).json()
    assert (later["facts"], later["forgotten"]) == ([], [memory["id"]])
    assert (await backend.client.get(f"/v1/messages/{message}/why")).status_code == 409


async def test_why_marks_what_is_known_anyway(tmp_path: Path) -> None:
    model = ScriptedModel(default="Ulaanbaatar.")
    patient = {"recall": {"deadline_ms": 60_000}}
    async with running(tmp_path, policy=model, embedder=shared_embedder(), memory=patient) as backend:
        await backend.say(await backend.conversation(), "My name is Ada.")
        [memory] = await backend.memories()
        said = (await backend.say(await backend.conversation(), "What is the capital of Mongolia?")).json()
        assert (said["context"]["facts"], said["context"]["profile"]) == ([], [memory["text"]])
        assert f"- {memory['text']}" in model.prompts[-1].messages[-1]["content"]
        why = (await backend.client.get(f"/v1/messages/{said['message']['id']}/why")).json()
        assert [(fact["id"], fact["profile"]) for fact in why["facts"]] == [(memory["id"], True)]
        runtime = backend.runtime
        assert (await runtime.ledger.facts.get(runtime.owner.id, memory["id"])).last_recalled_at is None


async def test_a_failed_message_sent_again_waits_for_the_one_that_is_being_answered(
    backend: Backend, model: ScriptedModel
) -> None:
    conversation = await backend.conversation()
    model.down = ModelUnreachableError("down")
    assert (await backend.say(conversation, "first")).status_code == 503
    model.down = None
    gate = Gate()
    model.replies.append(["Slow", gate, "."])
    second = asyncio.create_task(backend.say(conversation, "second"))
    await gate.reached.wait()
    assert (await backend.say(conversation, "first")).json()["error"]["code"] == "turn_running"
    gate.open()
    assert (await second).status_code == 200
    assert (await backend.say(conversation, "first")).status_code == 200


async def test_a_conversation_is_read_from_its_end_page_by_page(backend: Backend, model: ScriptedModel) -> None:
    conversation = await backend.conversation()
    model.replies.extend(["One.", "Two.", "Three."])
    for text in ("1", "2", "3"):
        await turn(backend, conversation, text)
    path = f"/v1/conversations/{conversation}/messages"
    pages: list[list[str]] = []
    query: dict[str, str] = {"newest": "true"}
    while query:
        page = (await backend.client.get(path, params={"limit": "4", **query})).json()
        pages.append([message["text"] for message in page["data"]])
        assert page["next_cursor"] is None
        query = {"before": page["previous_cursor"]} if page["previous_cursor"] else {}
    assert pages == [["2", "Two.", "3", "Three."], ["1", "One."]]
    first = (await backend.client.get(path, params={"limit": "4"})).json()
    both = await backend.client.get(path, params={"cursor": first["next_cursor"], "newest": "true"})
    assert (both.status_code, both.json()["error"]["param"]) == (422, "cursor")
