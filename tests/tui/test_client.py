from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from assistant import wire
from tests.fakes.gate import Gate
from tests.fakes.scripted_backend import CARD, KEY, Cut, Raw, Refusal, ScriptedBackend
from tui.client import Client
from tui.door import is_loopback
from tui.errors import ClientError


@pytest.fixture
async def client(backend: ScriptedBackend) -> AsyncIterator[Client]:
    opened = Client.open(backend.url, KEY)
    yield opened
    await opened.close()


async def events_of(client: Client, text: str = "hi") -> list[wire.Event]:
    conversation = await client.create_conversation()
    return [event async for _, event in client.send(conversation.id, text, "id-1")]


async def test_a_turn_yields_its_events_in_the_order_of_the_stream(backend: ScriptedBackend, client: Client) -> None:
    backend.say(wire.Notice(code="ai", text="I am an AI."), "one ", "two ", "three")
    events = await events_of(client)
    assert [event.type for event in events] == ["message.created", "notice", *["delta"] * 3, "message.completed"]
    assert [event.seq for event in events if event.type == "delta"] == [1, 2, 3]
    assert backend.sent == [wire.NewMessage(content="hi", stream=True, client_message_id="id-1")]
    assert set(backend.keys) == {KEY}


async def test_events_of_a_later_version_are_passed_over(backend: ScriptedBackend, client: Client) -> None:
    later = {"type": "delta", "seq": 2, "text": "b", "colour": "blue"}
    backend.say(
        "a",
        Raw('event: mood\ndata: {"type": "mood", "value": 3}\n\n'),
        Raw(": a comment\n\n"),
        Raw('data: {"type": "ping"}\n\n'),
        Raw(f"data: {json.dumps(later)}\r\n\r\n"),
    )
    events = await events_of(client)
    assert [event.text for event in events if event.type == "delta"] == ["a", "b"]


@pytest.mark.parametrize(
    "raw", ["data: {broken\n\n", "data: []\n\n", 'data: {"type": "delta"}\n\n', 'data: {"type": []}\n\n', "data: 3\n\n"]
)
async def test_a_malformed_event_is_an_error(backend: ScriptedBackend, client: Client, raw: str) -> None:
    backend.say("a", Raw(raw))
    if raw == 'data: {"type": []}\n\n':
        assert (await events_of(client))[-1].type == "message.completed"
        return
    with pytest.raises(ClientError, match="same version") as caught:
        await events_of(client)
    assert caught.value.code == "garbled"


async def test_a_cut_stream_is_an_error_after_what_came(backend: ScriptedBackend, client: Client) -> None:
    backend.say("so far ", Cut())
    conversation = await client.create_conversation()
    seen = []
    with pytest.raises(ClientError) as caught:
        async for _, event in client.send(conversation.id, "hi", "id-1"):
            seen.append(event.type)
    assert seen == ["message.created", "delta"]
    assert caught.value.code == "cut"


async def test_an_error_event_is_raised_with_its_code(backend: ScriptedBackend, client: Client) -> None:
    body = wire.ErrorBody(message="nothing answers at the model", type="model_error", code="model_unavailable")
    backend.say(wire.StreamError(error=body))
    with pytest.raises(ClientError, match="nothing answers at the model") as caught:
        await events_of(client)
    assert caught.value.code == "model_unavailable"


async def test_a_refusal_carries_the_message_the_code_and_when_to_try_again(
    backend: ScriptedBackend, client: Client
) -> None:
    backend.refusals.append(Refusal(429, "rate_limited", "more than 20 messages a minute", retry_after=12))
    with pytest.raises(ClientError, match="try again in 12 s") as caught:
        await events_of(client)
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (429, "rate_limited", 12)


async def test_an_unknown_key_says_how_to_give_one(backend: ScriptedBackend) -> None:
    client = Client.open(backend.url, "attune_wrong")
    with pytest.raises(ClientError, match="--key or ATTUNE_KEY") as caught:
        await client.create_conversation()
    assert caught.value.status == 401
    await client.close()


async def test_a_key_that_cannot_be_a_header_is_refused_before_sending(backend: ScriptedBackend) -> None:
    with pytest.raises(ClientError, match="ATTUNE_KEY"):
        Client.open(backend.url, "clé\n")


async def test_an_address_that_is_none_is_refused(client: Client) -> None:
    with pytest.raises(ClientError, match="http://host:port"):
        Client.open("localhost:8300", None)


async def test_nobody_at_the_address_says_what_to_start(client: Client) -> None:
    nobody = Client.open("http://127.0.0.1:1", None)
    assert not await nobody.alive()
    with pytest.raises(ClientError, match="attune serve"):
        await nobody.conversations()
    await nobody.close()


async def test_an_answer_that_is_not_ours_is_an_error(backend: ScriptedBackend) -> None:
    client = Client.open(backend.url + "/elsewhere", KEY)
    with pytest.raises(ClientError, match="is it an Attune backend") as caught:
        await client.memories()
    assert caught.value.code == "garbled"
    await client.close()


async def test_pages_are_followed_to_the_end(backend: ScriptedBackend, client: Client) -> None:
    backend.page_size = 2
    talk = backend.converse("long", *[f"message {number}" for number in range(7)])
    for number in range(5):
        backend.remember(f"fact {number}", "because")
        backend.converse(f"title {number}")
    assert [message.text for message in await client.messages(talk.id)] == [f"message {n}" for n in range(7)]
    assert len(await client.memories()) == 5
    assert len(await client.conversations()) == 6
    assert len(await client.conversations(most=3)) == 3


async def test_a_conversation_is_read_and_deleted(backend: ScriptedBackend, client: Client) -> None:
    kept = backend.converse("to go", "a", "b")
    assert (await client.conversation(kept.id)).title == "to go"
    await client.delete_conversation(kept.id)
    with pytest.raises(ClientError) as caught:
        await client.conversation(kept.id)
    assert caught.value.status == 404


async def test_forgetting_can_be_tried_first(backend: ScriptedBackend, client: Client) -> None:
    fact, other = backend.remember("a", "q"), backend.remember("b", "q")
    backend.goes_along[fact.id] = [other.id]
    assert (await client.forget(fact.id, dry_run=True)).forgotten == [fact.id, other.id]
    assert len(await client.memories()) == 2
    assert (await client.forget(fact.id)).dry_run is False
    assert await client.memories() == []


async def test_readiness_is_read_from_an_error_status_too(backend: ScriptedBackend, client: Client) -> None:
    backend.health = wire.Health(status="unavailable", checks={"ledger": "locked"})
    assert (await client.ready()).checks == {"ledger": "locked"}


async def test_the_resource_card_arrives(client: Client) -> None:
    assert await client.resources() == CARD


async def test_a_turn_is_cancelled_by_its_stream(backend: ScriptedBackend, client: Client) -> None:
    gate = Gate()
    backend.say("so far", gate, " and more")
    conversation = await client.create_conversation()
    events = []
    async for _, event in client.send(conversation.id, "hi", "id-1"):
        events.append(event)
        if event.type == "delta":
            await gate.reached.wait()
            assert events[0].type == "message.created"
            await client.cancel(events[0].stream_id)
    assert events[-1].type == "message.completed"
    assert (events[-1].message.text, events[-1].message.status) == ("so far", "partial")


async def test_control_characters_never_leave_the_client(backend: ScriptedBackend, client: Client) -> None:
    backend.say("\x1b]0;owned\x07hello")
    events = await events_of(client)
    assert [event.text for event in events if event.type == "delta"] == ["]0;ownedhello"]


async def test_text_that_is_no_text_is_still_sent(backend: ScriptedBackend, client: Client) -> None:
    await events_of(client, "caf\udce9")
    assert backend.sent[0].content == "caf?"


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8300", True),
        ("http://localhost", True),
        ("http://[::1]:80", True),
        ("http://127.0.0.1.example.org", False),
        ("https://example.org", False),
        ("nonsense", False),
    ],
)
def test_this_machine_is_told_from_others(url: str, here: bool) -> None:
    assert is_loopback(url) is here
