"""Every way a model server can fail, over real HTTP."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from assistant.errors import ModelError, ModelGarbledError, ModelRefusedError, ModelUnreachableError
from assistant.models.door import Sampling, TextDelta
from assistant.models.openai_compatible import OpenAICompatible
from tests.fakes import scripted_answers as say
from tests.fakes.asking import SECRET, answer, prompt
from tests.fakes.scripted_server import ScriptedServer

Connect = Callable[..., OpenAICompatible]

TRANSIENT = [
    say.drop(),
    say.error(429),
    say.error(429, retry_after="0"),
    say.error(408),
    say.error(500, SECRET),
    say.error(502),
    say.error(503, retry_after="0"),
    say.cut_after(),
    say.reply("", ending="cut"),
    say.error_in_stream(),
    say.events(),
    say.events('{"error": "overloaded"}'),
    say.events('{"object": "error", "message": "x", "code": 500}'),
]


@pytest.mark.parametrize("fault", TRANSIENT)
async def test_a_passing_failure_before_the_first_token_is_tried_again(
    server: ScriptedServer, connect: Connect, pauses: list[float], fault: say.Scripted
) -> None:
    server.answers += [fault, fault]
    assert await answer(connect(server, retries=2)) == "I hear you."
    assert len(server.chats) == 3
    assert len(pauses) == 2 and 0.125 <= pauses[0] <= 0.25 <= pauses[1] <= 0.5


@pytest.mark.parametrize("fault", TRANSIENT)
@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_a_lasting_failure_is_tried_exactly_as_often_as_configured(
    server: ScriptedServer, connect: Connect, fault: say.Scripted, retries: int
) -> None:
    server.default = fault
    with pytest.raises(ModelUnreachableError) as caught:
        await answer(connect(server, retries=retries))
    assert len(server.chats) == retries + 1
    assert server.base_url in str(caught.value) and SECRET not in str(caught.value)


REFUSALS: list[tuple[say.Scripted, str]] = [
    (say.error(400, SECRET), r"refused the request for model 'scripted' \(400\)"),
    (say.error(400, "This model's maximum context length is 10 tokens"), r"lower policy\.context_tokens"),
    (say.error(401), r"does not accept the API key \(401\); set ATTUNE_POLICY__API_KEY"),
    (say.error(403), r"does not let this API key use model 'scripted'"),
    (say.error(404), r"check policy\.base_url"),
    (say.error(422, SECRET), r"refused the request"),
    (say.Raw(b"", 307, headers={"Location": "http://elsewhere/"}), r"has moved \(307\)"),
    (say.events('{"error": {"message": "too long", "code": 400}}'), r"refused the request in its stream"),
]


@pytest.mark.parametrize(("fault", "words"), REFUSALS)
async def test_a_refusal_is_told_with_its_repair_and_not_tried_again(
    server: ScriptedServer, connect: Connect, pauses: list[float], fault: say.Scripted, words: str
) -> None:
    server.default = fault
    with pytest.raises(ModelRefusedError, match=words) as caught:
        await answer(connect(server))
    assert len(server.chats) == 1 and pauses == []
    assert server.base_url in str(caught.value) and SECRET not in str(caught.value)


async def test_a_wrong_key_is_told_before_anything_is_sent(connect: Connect) -> None:
    async with ScriptedServer(api_key="right") as server:
        with pytest.raises(ModelRefusedError, match="ATTUNE_POLICY__API_KEY"):
            await answer(connect(server, api_key="wrong"))
        assert server.chats == []
        assert await answer(connect(server, api_key="right")) == "I hear you."


async def test_an_unknown_model_is_told_with_what_the_server_offers(connect: Connect) -> None:
    async with ScriptedServer(models=("qwen-a", "qwen-b")) as server:
        with pytest.raises(ModelRefusedError) as caught:
            await answer(connect(server, model="gone"))
    assert str(caught.value) == (
        f"the server at {server.base_url} does not know model 'gone';"
        " it offers qwen-a, qwen-b; set policy.model to one of them"
    )


GARBLES: list[say.Raw] = [
    say.not_json(),
    say.Raw(b""),
    say.Raw(b'{"choices": []}'),
    say.Raw(b"\x00\xff\xfe", content_type="application/octet-stream"),
    say.Raw(b"", 204),
    say.events("garbled"),
    say.events("{"),
    say.events("[]"),
    say.events("null"),
    say.events('"text"'),
    say.events("{}"),
    say.events('{"choices": null}'),
    say.events('{"choices": {}}'),
    say.events('{"choices": ["x"]}'),
    say.events('{"choices": [{"delta": "x"}]}'),
    say.events('{"choices": [{"delta": {"content": 7}}]}'),
    say.events('{"choices": [{"delta": {"content": ["x"]}}]}'),
    say.events('{"choices": [{"delta": {"reasoning": {}}}]}'),
    say.events('{"choices": [{"delta": {}, "finish_reason": 1}]}'),
    say.events('{"choices": [], "usage": "many"}'),
    say.events("[" * 100_000),
    say.events('{"choices": []}', "[DONE]"),
    say.events("[DONE]"),
    say.Raw(b"data: \xff\xfe{\n\n", content_type="text/event-stream"),
    say.Raw(b"not gzip at all", content_type="text/event-stream", headers={"Content-Encoding": "gzip"}),
    say.Raw(gzip.compress(b"<html>", mtime=0), content_type="text/html", headers={"Content-Encoding": "gzip"}),
]


@pytest.mark.parametrize("garble", GARBLES, ids=lambda garble: repr(garble.body[:40]))
async def test_nonsense_is_named_as_such_and_not_tried_again(
    server: ScriptedServer, connect: Connect, garble: say.Raw
) -> None:
    server.default = garble
    with pytest.raises(ModelGarbledError) as caught:
        await answer(connect(server))
    assert len(server.chats) == 1
    assert server.base_url in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (say.cut_after("Hel", "lo"), ModelUnreachableError),
        (say.error_in_stream("Hel", "lo"), ModelUnreachableError),
        (say.events(say.chunk("Hel"), say.chunk("lo"), "garbled"), ModelGarbledError),
        (say.events(say.chunk("Hel"), say.chunk("lo")), ModelUnreachableError),
    ],
)
async def test_after_the_first_token_nothing_is_tried_again(
    server: ScriptedServer, connect: Connect, pauses: list[float], fault: say.Scripted, error: type[ModelError]
) -> None:
    server.answers.append(fault)
    seen = ""
    with pytest.raises(error):
        async for piece in connect(server).stream(prompt(), Sampling()):
            assert isinstance(piece, TextDelta)
            seen += piece.text
    assert seen == "Hello"
    assert len(server.chats) == 1 and pauses == []


async def test_hidden_thinking_counts_as_a_beginning_too(server: ScriptedServer, connect: Connect) -> None:
    server.answers.append(say.Answer(reasoning=("hm",), ending="cut"))
    with pytest.raises(ModelUnreachableError, match="in mid-reply"):
        await answer(connect(server))
    assert len(server.chats) == 1


@pytest.mark.parametrize("silent", [say.hang(), say.hang_after()])
async def test_silence_before_the_first_token_ends_at_its_time_out(
    server: ScriptedServer, connect: Connect, silent: say.Scripted
) -> None:
    server.default = silent
    model = connect(server, first_token_timeout_s=0.2, between_tokens_timeout_s=100)
    async with asyncio.timeout(10):
        with pytest.raises(ModelUnreachableError, match=r"raise policy\.first_token_timeout_s"):
            await answer(model)
    assert len(server.chats) == 1
    await server.chats[0].disconnected.wait()


async def test_silence_between_tokens_ends_at_its_time_out(server: ScriptedServer, connect: Connect) -> None:
    server.answers.append(say.hang_after("Hel"))
    with pytest.raises(ModelUnreachableError, match=r"fell silent in mid-reply; .*policy\.between_tokens_timeout_s"):
        await answer(connect(server, between_tokens_timeout_s=0.1))
    await server.chats[0].disconnected.wait()


async def test_slow_tokens_within_the_time_out_are_no_failure(server: ScriptedServer, connect: Connect) -> None:
    server.answers.append(say.reply("one two three four", delay_s=0.03))
    model = connect(server, first_token_timeout_s=10, between_tokens_timeout_s=0.1)
    await model.check()
    assert await answer(model) == "one two three four"


async def test_a_reader_that_is_slow_is_no_silence_of_the_server(server: ScriptedServer, connect: Connect) -> None:
    stream = connect(server, between_tokens_timeout_s=0.05).stream(prompt(), Sampling())
    await anext(stream)
    await server.chats[0].finished.wait()
    with suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await asyncio.Event().wait()
    assert "".join([piece.text async for piece in stream if isinstance(piece, TextDelta)]) == " hear you."


async def test_retries_never_outlast_the_time_for_the_first_token(
    server: ScriptedServer, connect: Connect, pauses: list[float]
) -> None:
    server.default = say.error(503, retry_after="5")
    with pytest.raises(ModelUnreachableError) as caught:
        await answer(connect(server, first_token_timeout_s=3, retries=5))
    assert len(server.chats) == 1 and pauses == []
    assert caught.value.retry_after == 5


@pytest.mark.parametrize(
    ("asked", "waited"), [("3", [3.0]), ("0", [0.125]), ("soon", [0.125]), ("nan", [0.125]), ("-1", [0.125])]
)
async def test_retry_after_is_honoured(
    server: ScriptedServer, connect: Connect, pauses: list[float], asked: str, waited: list[float]
) -> None:
    server.answers.append(say.error(429, retry_after=asked))
    await answer(connect(server))
    assert [low <= got <= max(low, 0.25) for low, got in zip(waited, pauses, strict=True)] == [True]


async def test_retry_after_may_be_a_date(server: ScriptedServer, connect: Connect, pauses: list[float]) -> None:
    server.answers.append(
        say.error(503, retry_after=format_datetime(datetime.now(UTC) + timedelta(seconds=6), usegmt=True))
    )
    await answer(connect(server))
    assert 4 <= pauses[0] <= 6


async def test_a_server_that_asks_for_too_much_patience_is_not_asked_again(
    server: ScriptedServer, connect: Connect, pauses: list[float]
) -> None:
    server.default = say.error(429, retry_after="120")
    with pytest.raises(ModelUnreachableError, match="busy") as caught:
        await answer(connect(server, first_token_timeout_s=1000))
    assert len(server.chats) == 1 and pauses == []
    assert caught.value.retry_after == 120


async def test_a_server_that_is_down_is_named_and_answers_once_it_is_back(
    server: ScriptedServer, connect: Connect, pauses: list[float]
) -> None:
    await server.refuse()
    model = connect(server)
    for call in (model.check(), answer(model)):
        with pytest.raises(ModelUnreachableError, match=f"nothing answers at {server.base_url}; start it"):
            await call
    assert len(pauses) == 2
    await server.listen()
    await model.check()
    assert await answer(model) == "I hear you."


async def test_a_server_that_comes_back_with_another_model_is_asked_again(
    server: ScriptedServer, connect: Connect
) -> None:
    model = connect(server)
    await answer(model)
    server.models = ["other"]
    with pytest.raises(ModelRefusedError):
        await answer(model)
    assert await answer(model) == "I hear you."
    assert model.identity.model == "other"


async def test_a_connection_the_server_dropped_while_idle_costs_a_try_at_most(
    server: ScriptedServer, connect: Connect
) -> None:
    server.answers += [say.reply("one"), say.drop(), say.reply("two")]
    model = connect(server)
    assert [await answer(model), await answer(model)] == ["one", "two"]


@pytest.mark.parametrize("then", ["ends", "hangs", "is cut"])
async def test_a_finished_reply_needs_no_end_mark(server: ScriptedServer, connect: Connect, then: str) -> None:
    body = say.events(say.chunk("Hello."), say.chunk(None, "stop")).body
    promised = {} if then == "ends" else {"Content-Length": str(len(body) + 1)}
    stream = say.Raw(body, content_type="text/event-stream", headers=promised, close=then == "is cut")
    server.answers.append(stream)
    assert await answer(connect(server)) == "Hello."
    assert len(server.chats) == 1


@pytest.mark.parametrize(
    "offers",
    [
        say.not_json(),
        say.Raw(b"[]"),
        say.Raw(b'{"data": 3}'),
        say.Raw(b'{"data": [{}]}'),
        say.Raw(b'{"data": [{"id": 3}]}'),
    ],
)
async def test_a_list_of_models_that_is_none_points_at_the_address(
    server: ScriptedServer, connect: Connect, offers: say.Raw
) -> None:
    server.on_models = offers
    with pytest.raises(ModelGarbledError, match=r"check policy\.base_url \(most end in /v1\)"):
        await connect(server).check()


async def test_a_server_without_models_says_so(connect: Connect) -> None:
    async with ScriptedServer(models=()) as server:
        with pytest.raises(ModelRefusedError, match="names no model; load one there"):
            await connect(server).check()


async def test_no_word_of_a_person_reaches_the_log(
    server: ScriptedServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "assistant")
    server.answers += [say.error(500, SECRET), say.error(400, f"stream_options {SECRET}"), say.error(400, SECRET)]
    with pytest.raises(ModelRefusedError):
        await answer(connect(server))
    assert caplog.records and SECRET not in caplog.text
