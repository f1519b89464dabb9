from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.scripted_answers import Raw, cut_after, drop, error, hang, not_json, reply
from tests.fakes.scripted_server import ScriptedServer
from training.caller import Caller
from training.calls import Call, CallError
from training.endpoint import Endpoint
from training.errors import TrainingError

SCHEMA = {
    "title": "one number",
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


def question(text: str = "How many?", **fields: Any) -> Call:
    return Call([{"role": "user", "content": text}], SCHEMA, **fields)


def endpoint(server: ScriptedServer, **fields: Any) -> Endpoint:
    return Endpoint(base_url=server.base_url, model="scripted", **fields)


class Pauses:
    """Waits that take no time, and are remembered."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


async def test_an_answer_is_valid_counted_and_asked_for_once(tmp_path: Path) -> None:
    async with ScriptedServer(reply('{"n": 3}')) as server:
        for _ in range(2):
            async with Caller.open(endpoint(server), tmp_path / "answers.sqlite") as caller:
                answer = await caller.ask(question(tag="count"))
                assert answer.value == {"n": 3}
        assert answer.from_cache
        assert caller.accounts["count"].cached == 1
        assert caller.accounts["count"].prompt_tokens == 0
        assert len(server.chats) == 1
        assert server.chats[0].json["response_format"]["json_schema"]["schema"] == SCHEMA


async def test_the_same_question_at_the_same_time_is_asked_once(tmp_path: Path) -> None:
    async with (
        ScriptedServer(reply('{"n": 3}')) as server,
        Caller.open(endpoint(server), tmp_path / "answers.sqlite") as caller,
    ):
        answers = await asyncio.gather(*(caller.ask(question()) for _ in range(9)))
        assert {answer.value["n"] for answer in answers} == {3}
        assert len(server.chats) == 1


@pytest.mark.parametrize(
    "other",
    [
        question("How many others?"),
        question(seed=1),
        question(temperature=0.9),
        question(max_tokens=7),
        Call([{"role": "user", "content": "How many?"}], {**SCHEMA, "title": "other"}),
    ],
)
async def test_what_could_change_the_answer_is_asked_anew(tmp_path: Path, other: Call) -> None:
    async with (
        ScriptedServer(reply('{"n": 3}'), reply('{"n": 4}')) as server,
        Caller.open(endpoint(server), tmp_path / "answers.sqlite") as caller,
    ):
        assert (await caller.ask(question())).value == {"n": 3}
        assert (await caller.ask(other)).value == {"n": 4}


async def test_a_busy_server_is_given_the_time_it_asks_for() -> None:
    pauses = Pauses()
    async with (
        ScriptedServer(error(429, retry_after="7"), error(503), drop(), reply('{"n": 3}')) as server,
        Caller.open(endpoint(server), pause=pauses) as caller,
    ):
        assert (await caller.ask(question())).value == {"n": 3}
        assert caller.accounts["call"].retries == 3
    assert pauses.seconds[0] == pytest.approx(7, abs=1)
    assert len(pauses.seconds) >= 3


@pytest.mark.parametrize(
    ("answer", "kind", "fatal"),
    [
        (error(500), "unreachable", False),
        (drop(), "unreachable", False),
        (cut_after('{"n": '), "unreachable", False),
        (hang(), "timeout", False),
        (error(401), "refused", True),
        (error(404), "refused", True),
        (error(400, "context length exceeded"), "refused", False),
        (not_json(), "garbled", False),
        (Raw(b'{"choices": []}'), "garbled", False),
        (reply("I would say three."), "garbled", False),
        (reply('{"n": "three"}'), "schema", False),
        (reply('{"n": 3', finish_reason="length"), "length", False),
    ],
)
async def test_each_failure_has_its_kind_and_is_counted(answer: Any, kind: str, fatal: bool, tmp_path: Path) -> None:
    async with ScriptedServer(default=answer) as server:
        tries = endpoint(server, retries=1, timeout_s=0.5 if kind == "timeout" else 30)
        async with Caller.open(tries, tmp_path / "answers.sqlite", pause=Pauses()) as caller:
            with pytest.raises(CallError) as failed:
                await caller.ask(question("What I told nobody", tag="count"))
    assert (failed.value.kind, failed.value.fatal) == (kind, fatal)
    assert caller.accounts["count"].failures == {kind: 1}
    assert caller.accounts["count"].calls == 0
    assert "nobody" not in str(failed.value)


async def test_a_server_that_must_not_get_a_seed_gets_none() -> None:
    async with (
        ScriptedServer(reply('{"n": 3}')) as server,
        Caller.open(endpoint(server, seeded=False)) as caller,
    ):
        await caller.ask(question(seed=5))
        assert "seed" not in server.chats[0].json


async def test_an_unusable_answer_is_asked_for_again_with_another_seed() -> None:
    async with (
        ScriptedServer(reply("three"), reply('{"n": 3}')) as server,
        Caller.open(endpoint(server)) as caller,
    ):
        assert (await caller.ask(question(seed=5))).value == {"n": 3}
        seeds = [chat.json["seed"] for chat in server.chats]
    assert seeds[0] == 5
    assert seeds[1] != 5


@pytest.mark.parametrize("formats", [("json_schema",), ("json_object",), ()])
async def test_a_server_without_schemas_is_asked_in_words(formats: tuple[str, ...]) -> None:
    async with (
        ScriptedServer(default=reply('```json\n{"n": 3}\n```'), formats=formats) as server,
        Caller.open(endpoint(server)) as caller,
    ):
        answers = await asyncio.gather(*(caller.ask(question(f"How many {n}?")) for n in range(4)))
        assert all(answer.value == {"n": 3} for answer in answers)
        last = server.chats[-1].json
    assert ("JSON schema" in str(last["messages"])) == (formats != ("json_schema",))


async def test_at_most_so_many_are_asked_at_once() -> None:
    at_once = most = 0

    class Counting(ScriptedServer):
        async def serve(self, *of: Any) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await super().serve(*of)

    async with (
        Counting(default=reply('{"n": 3}', delay_s=0.01)) as server,
        Caller.open(endpoint(server, concurrency=3)) as caller,
    ):
        await asyncio.gather(*(caller.ask(question(str(n))) for n in range(30)))
    assert most == 3


async def test_free_text_comes_without_its_thinking() -> None:
    async with ScriptedServer(reply("<think>Hm.</think>Three.")) as server, Caller.open(endpoint(server)) as caller:
        assert (await caller.ask(Call([{"role": "user", "content": "How many?"}]))).text == "Three."


async def test_a_dead_server_is_said_before_any_work() -> None:
    async with ScriptedServer() as server:
        gone = endpoint(server)
    async with Caller.open(gone) as caller:
        with pytest.raises(CallError, match="start the model server") as failed:
            await caller.check()
    assert failed.value.kind == "unreachable"


async def test_another_model_is_said_with_those_there_are() -> None:
    async with ScriptedServer(models=["big", "small"]) as server, Caller.open(endpoint(server)) as caller:
        with pytest.raises(CallError, match="big, small"):
            await caller.check()


async def test_a_key_that_is_not_set_is_said_by_its_name() -> None:
    with pytest.raises(TrainingError, match="NO_SUCH_KEY_OF_ATTUNE"):
        async with Caller.open(Endpoint(model="m", api_key_env="NO_SUCH_KEY_OF_ATTUNE")):
            pass


async def test_a_cache_that_cannot_be_written_is_said_with_the_repair(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="choose another path"):
        async with Caller.open(Endpoint(model="m"), tmp_path / "file" / "answers.sqlite"):
            pass
    (tmp_path / "no.sqlite").write_text("this is no database, and long enough to be read as none " * 20)
    with pytest.raises(TrainingError, match="cannot be used"):
        async with Caller.open(Endpoint(model="m"), tmp_path / "no.sqlite"):
            pass


async def test_answers_that_rest_on_somebody_gone_are_forgotten(tmp_path: Path) -> None:
    async with (
        ScriptedServer(default=reply('{"n": 3}')) as server,
        Caller.open(endpoint(server), tmp_path / "answers.sqlite") as caller,
    ):
        assert caller.cache is not None
        for owner in ("ann", "bob"):
            await caller.ask(question(owner, owner=owner))
        await caller.cache.touch("ann")
        assert await caller.cache.forget_untouched() == 1
        await caller.ask(question("ann", owner="ann"))
        await caller.ask(question("bob", owner="bob"))
        assert len(server.chats) == 3
