"""Two tabs at once: the same message twice, cancelling what just ended, erasing what is being said."""

from __future__ import annotations

import asyncio

from assistant import wire
from tests.fakes.backend import Backend
from tests.fakes.gate import Gate
from tests.fakes.scripted_model import ScriptedModel


async def test_the_same_message_sent_twice_at_once_is_one_turn(backend: Backend, model: ScriptedModel) -> None:
    for named in ({"client_message_id": "1"}, {}):
        conversation = await backend.conversation()
        model.prompts.clear()
        one, other = await asyncio.gather(*(backend.say(conversation, "hello", **named) for _ in range(2)))
        assert (one.status_code, other.status_code) == (200, 200)
        assert one.json()["message"]["id"] == other.json()["message"]["id"]
        assert len(model.prompts) == 1
        assert [m["role"] for m in await backend.messages(conversation)] == ["user", "assistant"]


async def test_another_message_while_one_is_answered_is_refused_and_not_stored(
    backend: Backend, model: ScriptedModel
) -> None:
    gate = Gate()
    model.replies.append(["Wait", gate, "."])
    conversation = await backend.conversation()
    first = asyncio.create_task(backend.say(conversation, "one"))
    await gate.reached.wait()
    second = await backend.say(conversation, "two")
    assert (second.status_code, second.json()["error"]["code"]) == (409, "turn_running")
    gate.open()
    assert (await first).status_code == 200
    assert [m["text"] for m in await backend.messages(conversation)] == ["one", "Wait."]


async def test_cancelling_in_the_moment_it_ends_leaves_one_reply_whole_or_partial(
    backend: Backend, model: ScriptedModel
) -> None:
    for number in range(5):
        gate = Gate()
        model.replies.append(["All ", gate, "done."])
        conversation, stream_id = await backend.conversation(), ""
        async for event in backend.stream(conversation, f"hello {number}"):
            if isinstance(event, wire.MessageCreated):
                stream_id = event.stream_id
            if isinstance(event, wire.Delta) and event.seq == 1:
                gate.open()
                answer = await backend.client.post(f"/v1/streams/{stream_id}/cancel")
                assert answer.status_code == 202
        assert event.type == "message.completed"
        [_, reply] = await backend.messages(conversation)
        kept = (("complete", "All done."), ("partial", "All "), ("partial", "All done."))
        assert (reply["status"], reply["text"]) in kept


async def test_erasing_everything_while_a_reply_is_spoken_ends_it_and_leaves_nothing(
    backend: Backend, model: ScriptedModel
) -> None:
    gate = Gate()
    model.replies.append(["Half a ", gate, "word."])
    conversation = await backend.conversation()

    async def listen() -> list[str]:
        return [event.type async for event in backend.stream(conversation, "My dog Biscuit has a bad hip.")]

    listening = asyncio.create_task(listen())
    await gate.reached.wait()
    receipt = (await backend.client.delete("/v1/me")).json()
    assert (receipt["verified"], receipt["remaining"]) == (True, 0)
    seen = await listening
    assert seen[-1] == "message.completed"
    assert (await backend.client.get(f"/v1/conversations/{conversation}")).status_code == 404
    assert await backend.memories() == []
    assert (await backend.client.get("/v1/conversations")).json()["data"] == []
