from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from assistant.errors import ModelGarbledError, ModelRefusedError
from assistant.models.door import Sampling
from assistant.models.openai_compatible import OpenAICompatible
from assistant.models.structured import asking_for, json_answer
from tests.fakes import scripted_answers as say
from tests.fakes.asking import prompt
from tests.fakes.scripted_server import ScriptedServer

Connect = Callable[..., OpenAICompatible]

SCHEMA = {
    "title": "What was learnt",
    "type": "object",
    "properties": {"facts": {"type": "array"}},
    "required": ["facts"],
}
ANSWER = '{"facts": []}'


async def complete(model: OpenAICompatible) -> str:
    return await model.complete(prompt().messages, Sampling(), SCHEMA)


async def test_a_schema_travels_as_a_response_format(connect: Connect) -> None:
    async with ScriptedServer(structured=ANSWER) as server:
        assert await complete(connect(server)) == ANSWER
    assert server.chats[0].json["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "What_was_learnt", "schema": SCHEMA, "strict": True},
    }


async def test_a_server_without_schemas_is_asked_for_json_and_this_is_remembered(connect: Connect) -> None:
    async with ScriptedServer(structured=ANSWER, formats=("json_object",)) as server:
        model = connect(server)
        assert [await complete(model), await complete(model)] == [ANSWER, ANSWER]
    types = [request.json["response_format"]["type"] for request in server.chats]
    assert types == ["json_schema", "json_object", "json_object"]
    assert json.dumps(SCHEMA) in server.chats[1].json["messages"][0]["content"]


async def test_a_server_without_any_format_is_asked_in_words(connect: Connect) -> None:
    async with ScriptedServer(default=say.reply(f"```json\n{ANSWER}\n```"), formats=()) as server:
        assert await complete(connect(server)) == ANSWER
    assert "response_format" not in server.chats[2].json
    assert json.dumps(SCHEMA) in server.chats[2].json["messages"][0]["content"]


@pytest.mark.parametrize(
    "text", ["", "no", "{", "[]", '"facts"', "{}", '{"other": 1}', f"{ANSWER} and more", "[" * 100_000]
)
async def test_an_answer_that_is_not_of_the_schema_is_an_error_and_never_nothing(
    server: ScriptedServer, connect: Connect, text: str
) -> None:
    server.default = say.reply([text] if text else [])
    with pytest.raises(ModelGarbledError) as caught:
        await complete(connect(server))
    assert len(server.chats) == 1
    assert "and more" not in str(caught.value)


async def test_an_answer_cut_at_its_limit_names_the_repair(server: ScriptedServer, connect: Connect) -> None:
    server.answers.append(say.reply('{"facts": ["a', finish_reason="length"))
    with pytest.raises(ModelGarbledError, match="raise max_tokens"):
        await complete(connect(server))


async def test_words_of_a_person_that_look_like_thinking_stay_in_the_answer(
    server: ScriptedServer, connect: Connect
) -> None:
    answer = json.dumps({"facts": ["they wrote <think> about it"]})
    server.answers += [say.reply(answer), say.reply(f"<think>hm</think>\n{answer}")]
    model = connect(server)
    assert [await complete(model), await complete(model)] == [answer, answer]


async def test_an_answer_that_the_server_took_for_thinking_is_found(server: ScriptedServer, connect: Connect) -> None:
    server.answers.append(say.reply("", reasoning=(ANSWER,)))
    assert await complete(connect(server)) == ANSWER


async def test_any_other_refusal_stands(server: ScriptedServer, connect: Connect) -> None:
    server.default = say.error(400, "temperature out of range")
    with pytest.raises(ModelRefusedError):
        await complete(connect(server))
    assert len(server.chats) == 1


def test_the_wish_for_json_joins_the_system_message() -> None:
    asked = asking_for(SCHEMA, [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}])
    assert [message["role"] for message in asked] == ["system", "user"]
    assert asked[0]["content"].startswith("Be kind.\n\nAnswer with one JSON value")
    assert [message["role"] for message in asking_for(SCHEMA, [{"role": "user", "content": "hi"}])] == [
        "system",
        "user",
    ]


def test_json_comes_out_of_its_fence() -> None:
    assert json_answer(f"\n```json\n{ANSWER}\n```\n", SCHEMA, by="x") == ANSWER
    assert json_answer("```\n[1]\n```", {"type": "array"}, by="x") == "[1]"
