"""One turn over HTTP: the events, what is stored, and what happens when things break."""

from __future__ import annotations

import asyncio
from pathlib import Path

from assistant import wire
from assistant.errors import ModelGarbledError, ModelUnreachableError
from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.gate import Gate
from tests.fakes.scripted_model import ScriptedModel


async def test_a_turn_streams_its_events_in_order_and_stores_both_messages(
    backend: Backend, model: ScriptedModel
) -> None:
    model.replies.append(["I ", "hear ", "you."])
    conversation = await backend.conversation()
    events = [event async for event in backend.stream(conversation, "My boss shouted at me today.")]
    assert [e.type for e in events if e.type not in ("notice", "delta")] == [
        "message.created",
        "context.used",
        "message.completed",
    ]
    assert [e.text for e in events if isinstance(e, wire.Delta)] == ["I ", "hear ", "you."]
    stored = await backend.messages(conversation)
    assert [(m["role"], m["text"], m["status"]) for m in stored] == [
        ("user", "My boss shouted at me today.", "complete"),
        ("assistant", "I hear you.", "complete"),
    ]
    assert stored[1]["parent_id"] == stored[0]["id"]
    assert stored[1]["policy_version"] == model.identity.policy_version


async def test_the_first_reply_of_a_conversation_says_that_it_is_an_ai(backend: Backend) -> None:
    conversation = await backend.conversation()
    first = [e async for e in backend.stream(conversation, "hello") if isinstance(e, wire.Notice)]
    second = [e async for e in backend.stream(conversation, "hello again") if isinstance(e, wire.Notice)]
    assert [notice.code for notice in first] == ["ai"]
    assert second == []


async def test_a_reply_comes_whole_without_streaming(backend: Backend) -> None:
    reply = wire.Reply.model_validate((await backend.say(await backend.conversation(), "hello")).json())
    assert reply.message.text == "I hear you."
    assert reply.user_message.text == "hello"
    assert reply.context is not None
    assert reply.context.plan["strategies"]


async def test_the_model_sees_what_was_said_before(backend: Backend, model: ScriptedModel) -> None:
    conversation = await backend.conversation()
    await backend.say(conversation, "My cat is called Miso.")
    await backend.say(conversation, "What did I just say?")
    seen = [(m["role"], m["content"]) for m in model.prompts[-1].messages]
    assert ("user", "My cat is called Miso.") in seen
    assert ("assistant", "I hear you.") in seen
    assert seen[-1][0] == "user"


async def test_a_stated_fact_is_listed_and_comes_back_in_another_conversation(
    backend: Backend, model: ScriptedModel
) -> None:
    await backend.say(await backend.conversation(), "My dog Biscuit has a bad hip.")
    assert [m["evidence"][0]["quote"] for m in await backend.memories()] == ["My dog Biscuit has a bad hip."]
    reply = await backend.say(await backend.conversation(), "I am worried about my dog and his hip.")
    assert reply.json()["context"]["facts"] == ["My dog Biscuit has a bad hip."]
    assert "Biscuit" in model.prompts[-1].messages[-1]["content"]


async def test_a_forgotten_fact_is_neither_listed_nor_recalled(backend: Backend) -> None:
    await backend.say(await backend.conversation(), "My dog Biscuit has a bad hip.")
    [memory] = await backend.memories()
    planned = (await backend.client.delete(f"/v1/me/memories/{memory['id']}?dry_run=true")).json()
    assert planned["forgotten"] == [memory["id"]]
    assert len(await backend.memories()) == 1
    assert (await backend.client.delete(f"/v1/me/memories/{memory['id']}")).status_code == 200
    assert await backend.memories() == []
    assert (await backend.client.delete(f"/v1/me/memories/{memory['id']}")).status_code == 404
    reply = await backend.say(await backend.conversation(), "I am worried about my dog and his hip.")
    assert reply.json()["context"]["facts"] == []


async def test_the_same_client_message_id_is_one_turn_also_when_sent_at_once(
    backend: Backend, model: ScriptedModel
) -> None:
    conversation = await backend.conversation()
    replies = await asyncio.gather(*(backend.say(conversation, "hi", client_message_id="m1") for _ in range(8)))
    assert {r.status_code for r in replies} == {200}
    assert len({r.json()["message"]["id"] for r in replies}) == 1
    assert len(await backend.messages(conversation)) == 2
    assert len(model.prompts) == 1


async def test_the_same_words_again_under_another_id_are_a_new_message(backend: Backend) -> None:
    conversation = await backend.conversation()
    for number in range(2):
        await backend.say(conversation, "ok", client_message_id=f"m{number}")
    assert len(await backend.messages(conversation)) == 4


async def test_a_conversation_answers_one_message_at_a_time(backend: Backend, model: ScriptedModel) -> None:
    gate = Gate()
    model.replies.append(["Wait", gate, "."])
    conversation = await backend.conversation()
    first = asyncio.create_task(backend.say(conversation, "first"))
    await gate.reached.wait()
    second = await backend.say(conversation, "second")
    assert second.status_code == 409
    assert second.json()["error"]["code"] == "turn_running"
    gate.open()
    assert (await first).status_code == 200
    assert [m["text"] for m in await backend.messages(conversation)] == ["first", "Wait."]


async def test_cancelling_keeps_the_partial_reply(backend: Backend, model: ScriptedModel) -> None:
    gate = Gate()
    model.replies.append(["So far", gate, " never said"])
    conversation = await backend.conversation()
    last: wire.Event | None = None
    async for event in backend.stream(conversation, "hello"):
        if isinstance(event, wire.MessageCreated):
            stream_id = event.stream_id
        if isinstance(event, wire.Delta):
            assert (await backend.client.post(f"/v1/streams/{stream_id}/cancel")).status_code == 202
        last = event
    assert isinstance(last, wire.MessageCompleted)
    assert (last.message.text, last.message.status) == ("So far", "partial")
    await model.was_aborted.wait()


async def test_a_client_that_goes_away_stops_the_model_and_keeps_the_partial_reply(
    tmp_path: Path, model: ScriptedModel
) -> None:
    model.replies.append(["So far", Gate(), " never said"])
    server = {"disconnect_grace_s": 0.0}
    async with running(tmp_path, policy=model, embedder=shared_embedder(), server=server) as backend:
        conversation = await backend.conversation()
        async for event in backend.stream(conversation, "hello"):
            if isinstance(event, wire.Delta):
                break
        await model.was_aborted.wait()
        for turn in backend.runtime.turns.running():
            await turn.ended()
        stored = await backend.messages(conversation)
    assert [(m["text"], m["status"]) for m in stored] == [("hello", "complete"), ("So far", "partial")]


async def test_a_stream_can_be_followed_again_from_where_it_broke(backend: Backend, model: ScriptedModel) -> None:
    gate = Gate()
    model.replies.append(["one ", gate, "two"])
    conversation = await backend.conversation()
    seen = 0
    async for event in backend.stream(conversation, "hello"):
        seen += 1
        if isinstance(event, wire.MessageCreated):
            stream_id = event.stream_id
        if isinstance(event, wire.Delta):
            break
    gate.open()
    rest = (await backend.client.get(f"/v1/streams/{stream_id}?after={seen}")).text
    assert "two" in rest
    assert "one" not in [line for line in rest.splitlines() if line.startswith("event: delta")]
    assert rest.count("event: message.completed") == 1


async def test_a_model_that_cannot_be_reached_is_a_503_and_the_message_is_kept(
    backend: Backend, model: ScriptedModel
) -> None:
    model.down = ModelUnreachableError("nothing answers at the model's address", retry_after=5)
    conversation = await backend.conversation()
    refused = await backend.say(conversation, "hello", client_message_id="m1")
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "5"
    assert refused.json()["error"]["code"] == "model_unavailable"
    assert [m["text"] for m in await backend.messages(conversation)] == ["hello"]


async def test_a_model_that_breaks_off_leaves_its_partial_reply(backend: Backend, model: ScriptedModel) -> None:
    model.replies.append(["Half a ", ModelGarbledError("the stream broke off")])
    conversation = await backend.conversation()
    events = [event async for event in backend.stream(conversation, "hello")]
    assert isinstance(events[-1], wire.StreamError)
    stored = await backend.messages(conversation)
    assert [(m["text"], m["status"]) for m in stored] == [("hello", "complete"), ("Half a ", "partial")]


async def test_a_person_in_crisis_gets_resources_and_is_not_left_alone_by_a_dead_model(
    backend: Backend, model: ScriptedModel
) -> None:
    model.down = ModelUnreachableError("down")
    conversation = await backend.conversation()
    events = [e async for e in backend.stream(conversation, "I want to kill myself tonight, I have the pills here")]
    safety = next(e for e in events if isinstance(e, wire.Safety))
    assert safety.level == "imminent"
    assert safety.resources is not None
    assert isinstance(events[-1], wire.MessageCompleted)
    assert events[-1].message.text
    assert await backend.memories() == []


async def test_an_unsafe_reply_is_retracted_and_replaced(backend: Backend, model: ScriptedModel) -> None:
    model.replies.append("You should just kill yourself.")
    conversation = await backend.conversation()
    events = [event async for event in backend.stream(conversation, "hello there")]
    retracted = next(e for e in events if isinstance(e, wire.MessageRetracted))
    stored = await backend.messages(conversation)
    assert stored[1]["status"] == "retracted"
    assert stored[1]["text"] == retracted.replacement
    assert "kill yourself" not in str(stored)
