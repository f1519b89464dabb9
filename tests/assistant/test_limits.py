"""Limits: so many messages a minute and replies at once for each person, and never for somebody in a crisis."""

from __future__ import annotations

import asyncio
from pathlib import Path

from assistant.limits import Limits
from tests.fakes.backend import running
from tests.fakes.embedding import shared_embedder
from tests.fakes.gate import Gate
from tests.fakes.scripted_model import ScriptedModel


def test_each_person_is_counted_apart_and_zero_allows_any_number() -> None:
    limits = Limits(messages_per_minute=2, streams_at_once=2)
    for _ in range(2):
        assert limits.refusal("usr_1", running=0) is None
        limits.count("usr_1")
    refusal = limits.refusal("usr_1", running=0)
    assert refusal is not None
    assert (refusal.status, refusal.code) == (429, "rate_limited")
    assert 1 <= (refusal.retry_after or 0) <= 60
    assert refusal.headers["x-ratelimit-remaining-requests"] == "0"
    assert limits.refusal("usr_2", running=0) is None
    assert limits.refusal("usr_2", running=2) is not None
    unlimited = Limits(messages_per_minute=0, streams_at_once=0)
    for _ in range(100):
        unlimited.count("usr_1")
    assert unlimited.refusal("usr_1", running=100) is None
    assert unlimited.headers("usr_1") == {}


async def test_too_many_messages_are_refused_and_not_stored_except_in_a_crisis(
    tmp_path: Path, model: ScriptedModel
) -> None:
    server = {"messages_per_minute": 2}
    async with running(tmp_path, policy=model, embedder=shared_embedder(), server=server) as backend:
        for number in range(3):
            assert (await backend.say(await backend.conversation(), str(number))).status_code == 200, (
                "the owner's machine"
            )
        await backend.as_somebody_else()
        conversation = await backend.conversation()
        for text in ("one", "two"):
            assert (await backend.say(conversation, text, client_message_id=text)).status_code == 200
        refused = await backend.say(conversation, "three")
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "rate_limited"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.headers["x-ratelimit-limit-requests"] == "2"
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
        assert refused.headers["x-ratelimit-reset-requests"].endswith("s")
        assert len(await backend.messages(conversation)) == 4
        again = await backend.say(conversation, "two", client_message_id="two")
        assert again.status_code == 200, "sending the same message again is no new message"
        completion = {"model": "attune", "messages": [{"role": "user", "content": "hello"}]}
        refused = await backend.client.post("/v1/chat/completions", json=completion)
        assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")
        listed = (await backend.client.get("/v1/conversations")).json()["data"]
        assert [one["id"] for one in listed] == [conversation], "a refused completion leaves no empty conversation"
        in_crisis = await backend.say(conversation, "I want to kill myself tonight, I have the pills here")
        assert in_crisis.status_code == 200
        assert in_crisis.json()["safety"]["resources"]


async def test_so_many_replies_at_once_are_allowed(tmp_path: Path, model: ScriptedModel) -> None:
    server = {"streams_at_once": 2}
    async with running(tmp_path, policy=model, embedder=shared_embedder(), server=server) as backend:
        gates = [Gate(), Gate()]
        model.replies.extend(["Wait", gate, "."] for gate in gates)
        waiting = []
        for gate in gates:
            waiting.append(asyncio.create_task(backend.say(await backend.conversation(), "hello")))
            await gate.reached.wait()
        third = await backend.say(await backend.conversation(), "hello")
        assert (third.status_code, third.headers["retry-after"]) == (429, "1")
        for gate in gates:
            gate.open()
        assert [(await one).status_code for one in waiting] == [200, 200]
        assert (await backend.say(await backend.conversation(), "hello")).status_code == 200
