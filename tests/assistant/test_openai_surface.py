"""The official openai client with only its base URL changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from assistant.errors import ModelGarbledError, ModelUnreachableError
from assistant.models.builtin import Builtin
from memory.ledger.going import Target
from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_model import ScriptedModel


@pytest.fixture
async def client(backend: Backend) -> AsyncIterator[openai.AsyncOpenAI]:
    """A client of the backend that does not retry."""
    async with openai.AsyncOpenAI(base_url=f"{backend.url}/v1", api_key=backend.key, max_retries=0) as client:
        yield client


async def test_a_reply_comes_whole(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="attune", messages=[{"role": "user", "content": "hello"}])
    assert answer.choices[0].message.content == "I hear you."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "attune"
    assert answer.usage is not None


async def test_a_reply_streams_with_usage(client: openai.AsyncOpenAI, model: ScriptedModel) -> None:
    model.replies.append(["I ", "hear ", "you."])
    pieces, usage = [], None
    stream = await client.chat.completions.create(
        model="attune",
        messages=[{"role": "user", "content": "hello"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    async for chunk in stream:
        usage = chunk.usage or usage
        pieces += [choice.delta.content for choice in chunk.choices if choice.delta.content]
    assert pieces == ["I ", "hear ", "you."]
    assert usage is not None


async def test_the_one_model_is_listed(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["attune"]


async def test_another_model_is_not_found(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await client.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "hello"}])
    assert caught.value.code == "model_not_found"


async def test_an_error_inside_the_stream_is_raised_by_the_client(
    client: openai.AsyncOpenAI, model: ScriptedModel
) -> None:
    model.replies.append(["Half a ", ModelGarbledError("the stream broke off")])
    stream = await client.chat.completions.create(
        model="attune", messages=[{"role": "user", "content": "hello"}], stream=True
    )
    pieces = []
    with pytest.raises(openai.APIError, match="broke off"):
        async for chunk in stream:
            pieces += [choice.delta.content for choice in chunk.choices if choice.delta.content]
    assert pieces == ["Half a "]


async def test_a_retried_request_is_answered_and_not_stored_twice(backend: Backend, model: ScriptedModel) -> None:
    model.replies.append(ModelUnreachableError("down for a moment"))
    async with openai.AsyncOpenAI(base_url=f"{backend.url}/v1", api_key=backend.key, max_retries=2) as client:
        answer = await client.chat.completions.create(model="attune", messages=[{"role": "user", "content": "hello"}])
    assert answer.choices[0].message.content == "I hear you."
    assert len(model.prompts) == 2
    [conversation] = (await backend.client.get("/v1/conversations")).json()["data"]
    assert [m["text"] for m in await backend.messages(conversation["id"])] == ["hello", "I hear you."]


async def test_the_same_request_twice_is_one_turn(client: openai.AsyncOpenAI, model: ScriptedModel) -> None:
    first, second = [
        await client.chat.completions.create(model="attune", messages=[{"role": "user", "content": "hello"}])
        for _ in range(2)
    ]
    assert first.id == second.id
    assert len(model.prompts) == 1


async def test_a_client_that_sends_its_history_back_goes_on_in_the_same_conversation(
    client: openai.AsyncOpenAI, backend: Backend
) -> None:
    history: list[dict[str, str]] = []
    for text in ("hello", "it is me", "still here"):
        history.append({"role": "user", "content": text})
        answer = await client.chat.completions.create(model="attune", messages=history)  # type: ignore[arg-type]
        history.append({"role": "assistant", "content": str(answer.choices[0].message.content)})
    [conversation] = (await backend.client.get("/v1/conversations")).json()["data"]
    assert len(await backend.messages(conversation["id"])) == 6


async def test_history_is_used_as_sent_and_only_the_newest_turn_is_stored(
    client: openai.AsyncOpenAI, backend: Backend, model: ScriptedModel
) -> None:
    await client.chat.completions.create(
        model="attune",
        messages=[
            {"role": "system", "content": "Answer like a pirate."},
            {"role": "user", "content": "made up"},
            {"role": "assistant", "content": "also made up"},
            {"role": "user", "content": "hello"},
        ],
    )
    seen = [m["content"] for m in model.prompts[0].messages]
    assert "made up" in seen
    assert "also made up" in seen
    assert "Answer like a pirate." in seen[0]
    [conversation] = (await backend.client.get("/v1/conversations")).json()["data"]
    assert [m["text"] for m in await backend.messages(conversation["id"])] == ["hello", "I hear you."]


async def test_an_app_that_acts_for_people_keeps_them_apart(backend: Backend) -> None:
    _, secret = await backend.runtime.ledger.keys.create("app", None, scopes=("act_as",), label="app")
    async with openai.AsyncOpenAI(base_url=f"{backend.url}/v1", api_key=secret, max_retries=0) as client:
        await client.chat.completions.create(
            model="attune", messages=[{"role": "user", "content": "My dog Biscuit has a bad hip."}], user="ada"
        )
        assert await backend.runtime.worker.drain(240)
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(model="attune", messages=[{"role": "user", "content": "hello"}])
    for name, count in (("ada", 1), ("bob", 0)):
        headers = {"authorization": f"Bearer {secret}", "x-user-id": name}
        listed = (await backend.client.get("/v1/me/memories", headers=headers)).json()["data"]
        assert len(listed) == count


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "assistant", "content": "hi"}],
        [{"role": "user", "content": "  "}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
        [{"role": "user", "content": "a\x00b"}],
        [{"role": "wizard", "content": "hi"}],
    ],
)
async def test_messages_that_cannot_be_answered_are_refused(
    messages: list[dict[str, object]], client: openai.AsyncOpenAI
) -> None:
    with pytest.raises(openai.UnprocessableEntityError):
        await client.chat.completions.create(model="attune", messages=messages)  # type: ignore[arg-type]


async def test_crisis_resources_reach_people_who_use_an_openai_client(client: openai.AsyncOpenAI) -> None:
    said = "I want to kill myself tonight, I have the pills here"
    for stream in (False, True):
        if stream:
            pieces = await client.chat.completions.create(
                model="attune", messages=[{"role": "user", "content": f"{said}."}], stream=True
            )
            text = "".join([c.delta.content or "" async for chunk in pieces for c in chunk.choices])
        else:
            whole = await client.chat.completions.create(model="attune", messages=[{"role": "user", "content": said}])
            text = str(whole.choices[0].message.content)
        assert "findahelpline.com" in text


def attune(answer: openai.BaseModel) -> dict[str, Any]:
    """Our own field of an answer or of a piece of one."""
    return dict((answer.model_extra or {})["attune"])


async def test_what_a_person_must_know_comes_beside_the_words(client: openai.AsyncOpenAI) -> None:
    asked: Any = [{"role": "user", "content": "hello"}]
    whole = await client.chat.completions.create(model="attune", messages=asked)
    told = attune(whole)
    assert [notice["code"] for notice in told["notices"]] == ["ai"]
    assert (told["safety"]["level"], told["safety"]["resources"], told["retracted"]) == ("none", None, None)
    assert told["message_id"] == whole.id and told["policy_version"] and told["conversation_id"]
    goes_on = [*asked, {"role": "assistant", "content": "I hear you."}, {"role": "user", "content": "again"}]
    later = attune(await client.chat.completions.create(model="attune", messages=goes_on))
    assert (later["notices"], later["conversation_id"]) == ([], told["conversation_id"])


async def test_a_stream_tells_it_in_its_first_piece_and_completely_in_its_last(client: openai.AsyncOpenAI) -> None:
    said = "I want to kill myself tonight, I have the pills here"
    stream = await client.chat.completions.create(
        model="attune", messages=[{"role": "user", "content": said}], stream=True
    )
    first, *_, last = [chunk async for chunk in stream]
    assert [notice["code"] for notice in attune(first)["notices"]] == ["ai"]
    for told in (attune(first), attune(last)):
        assert told["safety"]["level"] == "imminent"
        assert "findahelpline.com" in told["safety"]["resources"]["message"]
    assert attune(first)["message_id"] is None and attune(last)["message_id"].startswith("msg")


async def test_a_client_that_sends_the_crisis_lines_back_goes_on_in_the_same_conversation(
    client: openai.AsyncOpenAI, backend: Backend
) -> None:
    history: list[Any] = [{"role": "user", "content": "I want to kill myself tonight, I have the pills here"}]
    answer = await client.chat.completions.create(model="attune", messages=history)
    history += [{"role": "assistant", "content": answer.choices[0].message.content}]
    await client.chat.completions.create(model="attune", messages=[*history, {"role": "user", "content": "still here"}])
    [_] = (await backend.client.get("/v1/conversations")).json()["data"]


REFUSED: list[dict[str, object]] = [
    {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
    {"tool_choice": "required"},
    {"functions": [{"name": "f"}]},
    {"response_format": {"type": "json_object"}},
    {"n": 2},
    {"n": 0},
    {"logprobs": True},
    {"top_logprobs": 3},
    {"logit_bias": {"50256": -100}},
    {"frequency_penalty": 0.5},
    {"presence_penalty": -1},
    {"modalities": ["text", "audio"]},
    {"web_search_options": {"search_context_size": "low"}},
]


@pytest.mark.parametrize("asked", REFUSED, ids=lambda asked: next(iter(asked)))
async def test_what_is_not_offered_is_refused_by_name(
    asked: dict[str, object], client: openai.AsyncOpenAI, backend: Backend
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(
            model="attune", messages=[{"role": "user", "content": "hello"}], extra_body=asked
        )
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", next(iter(asked)))
    assert (await backend.client.get("/v1/conversations")).json()["data"] == []


async def test_the_neutral_values_that_clients_send_by_themselves_are_taken(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="attune",
        messages=[{"role": "user", "content": "hello"}],
        n=1,
        tools=[],
        tool_choice="auto",
        response_format={"type": "text"},
        logprobs=False,
        top_logprobs=None,
        logit_bias={},
        frequency_penalty=0,
        presence_penalty=0.0,
        modalities=["text"],
        store=False,
        service_tier="auto",
        parallel_tool_calls=True,
        reasoning_effort="low",
        extra_body={"made_up": 1},
    )
    assert answer.choices[0].message.content == "I hear you."


async def test_what_is_not_stored_leaves_nothing(client: openai.AsyncOpenAI, backend: Backend) -> None:
    for stream in (False, True):
        answer = await client.chat.completions.create(
            model="attune",
            messages=[{"role": "user", "content": f"My dog Biscuit has a bad hip. {stream}"}],
            metadata={"store": "false"},
            stream=stream,
        )
        if isinstance(answer, openai.AsyncStream):
            assert [chunk async for chunk in answer][-1].choices[0].finish_reason == "stop"
    assert await backend.memories() == []
    owner = backend.runtime.owner.id
    kept = await backend.runtime.ledger.erasures.plan(owner, Target("person"))
    assert (kept.messages, kept.conversations) == ((), ())


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_the_builtin_responder_stops_at_the_most_tokens_too(name: str, tmp_path: Path) -> None:
    async with (
        running(tmp_path, policy=Builtin(), embedder=shared_embedder()) as backend,
        openai.AsyncOpenAI(base_url=f"{backend.url}/v1", api_key=backend.key, max_retries=0) as client,
    ):
        answer = await client.chat.completions.create(
            model="attune", messages=[{"role": "user", "content": "My boss yelled at me."}], extra_body={name: 3}
        )
    assert answer.choices[0].finish_reason == "length"
    assert 1 <= len(str(answer.choices[0].message.content).split()) <= 3
