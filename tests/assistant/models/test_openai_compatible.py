from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest

from assistant.config import ModelConfig
from assistant.errors import ConfigError, ModelGarbledError, ModelRefusedError
from assistant.models.door import Finished, Sampling, TextDelta
from assistant.models.openai_compatible import OpenAICompatible
from tests.fakes import scripted_answers as say
from tests.fakes.asking import answer, parts, prompt
from tests.fakes.gate import Gate
from tests.fakes.scripted_server import ScriptedServer

Connect = Callable[..., OpenAICompatible]


async def test_pieces_arrive_as_the_server_sends_them_and_the_end_carries_the_counts(
    server: ScriptedServer, connect: Connect
) -> None:
    gate = Gate()
    server.answers.append(say.reply(["Hel", gate, "lo"], usage=(11, 2)))
    stream = connect(server).stream(prompt(), Sampling())
    assert await anext(stream) == TextDelta("Hel")
    gate.open()
    assert [piece async for piece in stream] == [TextDelta("lo"), Finished("stop", 11, 2)]


async def test_text_of_every_script_arrives_unharmed(server: ScriptedServer, connect: Connect) -> None:
    text = 'Grüße \u2028 "quoted" \\n 日本語 🙂\n\ndata: [DONE]\n'
    server.answers.append(say.reply(list(text)))
    assert await answer(connect(server)) == text


async def test_without_a_configured_model_the_first_one_of_the_server_answers(connect: Connect) -> None:
    async with ScriptedServer(models=("first", "second")) as server:
        model = connect(server)
        assert model.identity.model == "default"
        await answer(model)
        assert server.chats[0].json["model"] == model.identity.model == "first"
        await answer(connect(server, model="second"))
        assert server.chats[1].json["model"] == "second"


async def test_the_server_is_asked_once_what_it_offers(server: ScriptedServer, connect: Connect) -> None:
    model = connect(server)
    for _ in range(3):
        await answer(model)
    assert [request.path for request in server.requests].count("/v1/models") == 1


async def test_only_vllm_is_sent_the_fields_only_vllm_knows(connect: Connect) -> None:
    async with ScriptedServer(owned_by="vllm") as vllm, ScriptedServer(owned_by="library") as other:
        for server in (vllm, other):
            await parts(connect(server), cache_salt="salt-of-one-person")
        await parts(connect(vllm, thinking=True))
    assert vllm.chats[0].json["cache_salt"] == "salt-of-one-person"
    assert vllm.chats[0].json["chat_template_kwargs"] == {"enable_thinking": False}
    assert not {"cache_salt", "chat_template_kwargs"} & (other.chats[0].json.keys() | vllm.chats[1].json.keys())
    assert other.chats[0].json["stream_options"] == {"include_usage": True}


async def test_sampling_is_passed_on_and_none_leaves_the_choice_to_the_server(
    server: ScriptedServer, connect: Connect
) -> None:
    await answer(connect(server), temperature=0.0, top_p=0.9, max_tokens=5, seed=3, stop=("END",))
    await answer(connect(server, temperature=0.4))
    await answer(connect(server))
    first, second, third = (request.json for request in server.chats)
    assert {key: first[key] for key in ("temperature", "top_p", "max_tokens", "seed", "stop")} == {
        "temperature": 0.0,
        "top_p": 0.9,
        "max_tokens": 5,
        "seed": 3,
        "stop": ["END"],
    }
    assert second["temperature"] == 0.4
    assert not {"temperature", "top_p", "seed", "stop"} & third.keys()


async def test_a_field_the_server_does_not_take_is_left_out_from_then_on(connect: Connect, pauses: list[float]) -> None:
    refusal = say.error(422, "Extra inputs are not permitted: stream_options")
    async with ScriptedServer(refusal, owned_by="vllm") as server:
        model = connect(server)
        assert await answer(model) == "I hear you."
        await answer(model)
    assert ["stream_options" in request.json for request in server.chats] == [True, False, False]
    assert pauses == []


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_thinking_in_a_field_of_its_own_is_hidden(server: ScriptedServer, connect: Connect, field: str) -> None:
    server.answers.append(say.reply("Hello.", reasoning=("they ", "seem sad"), reasoning_field=field))
    assert await answer(connect(server)) == "Hello."


async def test_thinking_in_the_text_is_hidden(server: ScriptedServer, connect: Connect) -> None:
    server.answers += [say.reply(["<thi", "nk>sad", "</think", ">\n\nHel", "lo."]), say.reply("hm</think>Hello.")]
    assert (await parts(connect(server)))[0] == ["Hel", "lo."]
    assert await answer(connect(server, thinking_opened=True)) == "Hello."


@pytest.mark.parametrize(
    "silence",
    [
        say.reply(""),
        say.reply("   \n"),
        say.reply("<think>only this</think>\n"),
        say.reply("<think>never closed"),
        say.reply("", reasoning=("only this",)),
        say.events(say.chunk(None, "stop"), "[DONE]"),
    ],
)
async def test_a_reply_without_a_visible_word_is_an_error_and_not_tried_again(
    server: ScriptedServer, connect: Connect, silence: say.Scripted
) -> None:
    server.answers += [silence, silence]
    model = connect(server)
    with pytest.raises(ModelGarbledError, match="without a visible word"):
        await answer(model)
    with pytest.raises(ModelGarbledError, match="without a visible word"):
        await model.complete(prompt().messages, Sampling())
    assert len(server.chats) == 2


async def test_a_model_that_thinks_until_its_limit_is_named_with_the_repair(
    server: ScriptedServer, connect: Connect
) -> None:
    server.answers.append(say.reply("<think>on and on", finish_reason="length"))
    with pytest.raises(ModelGarbledError, match=r"raise policy\.max_tokens or set policy\.thinking = false"):
        await answer(connect(server))


async def test_closing_the_stream_closes_the_connection_at_once(server: ScriptedServer, connect: Connect) -> None:
    server.answers.append(say.reply(["Hel", Gate(), "lo"]))
    async with aclosing(connect(server).stream(prompt(), Sampling())) as stream:
        assert await anext(stream) == TextDelta("Hel")
    await server.chats[0].disconnected.wait()


@pytest.mark.parametrize("silent", [say.hang(), say.hang_after("Hel"), say.reply([Gate()])])
async def test_cancelling_the_reader_closes_the_connection_at_once(
    server: ScriptedServer, connect: Connect, silent: say.Scripted
) -> None:
    server.answers.append(silent)
    task = asyncio.create_task(answer(connect(server)))
    request = await server.chat(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await request.disconnected.wait()
    assert len(server.chats) == 1


async def test_cancelling_a_completion_closes_the_connection_at_once(server: ScriptedServer, connect: Connect) -> None:
    server.answers.append(say.hang_after("{"))
    task = asyncio.create_task(connect(server).complete(prompt().messages, Sampling()))
    request = await server.chat(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await request.disconnected.wait()


async def test_a_hundred_replies_at_once_do_not_mix(connect: Connect) -> None:
    async with ScriptedServer(default=lambda request: say.reply(request.json["messages"][0]["content"])) as server:
        model = connect(server)
        asked = [f"{n} is the number of turn {n}" for n in range(100)]
        got = await asyncio.gather(*(model.complete([{"role": "user", "content": text}], Sampling()) for text in asked))
    assert got == asked


async def test_check_passes_when_the_model_is_there(connect: Connect) -> None:
    async with ScriptedServer(models=("llama3:latest",), owned_by="library") as server:
        await connect(server).check()
        await connect(server, model="llama3").check()
        with pytest.raises(ModelRefusedError, match=r"does not know model 'qwen'; it offers llama3:latest"):
            await connect(server, model="qwen").check()
    assert server.chats == []


async def test_a_server_that_does_not_list_its_models_works_when_the_model_is_named(connect: Connect) -> None:
    async with ScriptedServer() as server:
        server.on_models = say.error(404)
        assert await answer(connect(server, model="scripted")) == "I hear you."
        with pytest.raises(ModelRefusedError, match=r"names no model; .* set policy\.model"):
            await answer(connect(server))


@pytest.mark.parametrize(
    ("base_url", "model", "leaves", "words"),
    [
        ("http://127.0.0.1:8000/v1", "qwen", False, "stay on this machine"),
        ("http://localhost:8000/v1", "qwen", False, "stay on this machine"),
        ("http://[::1]:8000/v1", "qwen", False, "stay on this machine"),
        ("http://127.0.0.1:11434/v1", "gpt-oss:120b-cloud", True, "leave this machine"),
        ("http://192.168.1.7:8000/v1", "qwen", True, "sent there"),
        ("https://api.openai.com/v1", "gpt", True, "api.openai.com; your words are sent there"),
    ],
)
async def test_the_identity_says_what_answers_and_where_the_text_goes(
    connect: Connect, base_url: str, model: str, leaves: bool, words: str
) -> None:
    identity = connect(base_url, model=model).identity
    assert (identity.engine, identity.model, identity.leaves_machine) == ("openai_compatible", model, leaves)
    assert identity.policy_version == f"openai_compatible:{model}"
    assert words in identity.description


@pytest.mark.parametrize(
    "base_url", ["localhost:8000/v1", "ftp://host/v1", "http://", "", "http://host:port/v1", "http://[x/v1"]
)
def test_an_address_that_is_none_is_refused_with_an_example(base_url: str) -> None:
    with pytest.raises(ConfigError, match=r"policy\.base_url .*http://127\.0\.0\.1:8000/v1"):
        OpenAICompatible(ModelConfig(base_url=base_url))


def test_a_password_in_the_address_is_refused_without_repeating_it() -> None:
    with pytest.raises(ConfigError, match="ATTUNE_REFLECT__API_KEY") as caught:
        OpenAICompatible(ModelConfig(base_url="http://me:hunter2@host/v1"), role="reflect")
    assert "hunter2" not in str(caught.value)
