"""Stopping and failing: nothing that was written is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events

from assistant import wire
from tests.fakes.driven_app import DrivenApp, driven
from tests.fakes.gate import Gate
from tests.fakes.scripted_backend import KEY, Cut, Raw, Refusal, ScriptedBackend
from tui.backend import Launch
from tui.client import Client
from tui.errors import ClientError
from tui.screens.chat import ChatScreen
from tui.screens.memories import MemoriesScreen
from tui.transport import Transport

# ---------------------------------------------------------------- stopping


async def test_stopping_keeps_the_partial_reply_and_marks_it(backend: ScriptedBackend, chat: DrivenApp) -> None:
    gate = Gate()
    backend.say("There was once a ", "lighthouse", gate, " and more")
    await chat.write("a story")
    await chat.pilot.press("enter")
    await gate.reached.wait()
    await chat.pilot.press("escape")
    await chat.until(lambda: not chat.app.chat.answering, "the stop")
    assert chat.seen[-1] == "Attune: There was once a lighthouse [stopped]"
    assert len(backend.cancelled) == 1
    await chat.say("go on")
    assert chat.seen[-1] == "Attune: You said: go on"


async def test_a_backend_that_does_not_stop_is_hung_up_on(backend: ScriptedBackend, launch: Launch) -> None:
    gate = Gate()
    backend.hang_on_cancel = True
    backend.say("endless", gate)
    async with driven(launch, stop_grace_s=0.05) as chat:
        await chat.write("a story")
        await chat.pilot.press("enter")
        await gate.reached.wait()
        await chat.until(lambda: chat.replies[0].text == "endless", "the first piece")
        await chat.pilot.press("escape")
        await chat.until(lambda: not chat.app.chat.answering, "the stop")
        assert chat.seen[-1] == "Attune: endless [stopped]"


async def test_stopping_before_anything_was_sent_gives_the_text_back(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.starting = 10_000
    await chat.app.link.close()
    await chat.write("too early")
    await chat.pilot.press("enter")
    await chat.until(lambda: chat.app.chat.answering, "the turn")
    await chat.pilot.press("escape")
    await chat.until(lambda: not chat.app.chat.answering, "the stop")
    assert chat.prompt.text == "too early"
    assert chat.seen == ["Welcome"]
    assert backend.sent == []


async def test_stop_is_offered_only_while_there_is_something_to_stop(backend: ScriptedBackend, chat: DrivenApp) -> None:
    assert "escape" not in chat.app.chat.active_bindings
    gate = Gate()
    backend.say("a", gate)
    await chat.write("x")
    await chat.pilot.press("enter")
    await gate.reached.wait()
    await chat.pilot.pause()
    assert chat.app.chat.active_bindings["escape"].binding.description == "Stop"
    gate.open()
    await chat.until(lambda: not chat.app.chat.answering, "the end")


# ---------------------------------------------------------------- errors keep the draft


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(401, "invalid_api_key", "this API key is unknown or revoked"),
        Refusal(429, "rate_limited", "more than 20 messages a minute", retry_after=7),
        Refusal(503, "model_unavailable", "the model does not answer"),
    ],
    ids=lambda refusal: str(refusal.status),
)
async def test_a_refused_message_comes_back_to_the_prompt(
    backend: ScriptedBackend, chat: DrivenApp, refusal: Refusal
) -> None:
    backend.refusals.append(refusal)
    await chat.say("a long thought")
    assert chat.prompt.text == "a long thought"
    assert refusal.message in chat.toasts[-1]
    assert chat.seen == ["Welcome"]


async def test_sending_a_refused_message_again_is_the_same_message(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.refusals.append(Refusal(503, "model_unavailable", "the model does not answer"))
    await chat.say("a long thought")
    await chat.pilot.press("enter")
    await chat.until(lambda: len(backend.sent) == 2 and not chat.app.chat.answering, "the second try")
    assert backend.sent[0].client_message_id == backend.sent[1].client_message_id
    assert chat.seen == ["You: a long thought", "Attune: You said: a long thought"]
    await chat.say("another")
    assert backend.sent[2].client_message_id != backend.sent[1].client_message_id


async def test_a_new_draft_is_never_overwritten(backend: ScriptedBackend, chat: DrivenApp) -> None:
    gate = Gate()
    body = wire.ErrorBody(message="the model broke", type="model_error", code="model_unavailable")
    backend.say(gate, wire.StreamError(error=body))
    await chat.write("first thought")
    await chat.pilot.press("enter")
    await gate.reached.wait()
    await chat.write("second thought")
    gate.open()
    await chat.until(lambda: not chat.app.chat.answering, "the error")
    assert chat.prompt.text == "second thought"
    assert chat.seen == ["You: first thought"]
    assert "the model broke" in chat.toasts[-1]


async def test_another_reply_takes_the_place_of_the_one_that_broke_off(
    backend: ScriptedBackend, chat: DrivenApp
) -> None:
    await chat.say("one")
    backend.say("as far as it ", "came", Cut())
    await chat.say("two")
    await chat.pilot.press("f7")
    assert "F5 asks for another" in chat.toasts[-1]
    backend.say("the whole of it")
    await chat.pilot.press("f5")
    await chat.until(lambda: "the whole of it" in chat.seen[-1] and not chat.app.chat.answering, "the other reply")
    assert chat.seen == ["You: one", "Attune: You said: one", "You: two", "Attune: the whole of it"]


async def test_a_cut_stream_keeps_what_was_said(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.say("as far as it ", "came", Cut())
    await chat.say("go")
    assert chat.seen[-1] == "Attune: as far as it came [broken off]"
    assert chat.prompt.text == ""
    assert "lost" in chat.toasts[-1]
    await chat.say("again")
    assert chat.seen[-1] == "Attune: You said: again"


@pytest.mark.parametrize(
    "frame",
    [
        "data: {broken\n\n",
        "data: [1, 2]\n\n",
        'data: {"type": "delta"}\n\n',
        'data: {"type": "delta", "seq": "one", "text": 7}\n\n',
        "data: \ufffd\ufffd\n\n",
    ],
)
async def test_a_malformed_event_is_an_error_and_not_a_crash(
    backend: ScriptedBackend, chat: DrivenApp, frame: str
) -> None:
    backend.say(Raw(frame))
    await chat.say("keep me")
    assert chat.prompt.text == "keep me"
    assert "same version" in chat.toasts[-1]


async def test_frames_that_mean_nothing_are_passed_over(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.say("still ", Raw(': ping\n\ndata: {"type": "of.tomorrow"}\n\nno colon at all\n\n'), "here")
    await chat.say("go")
    assert chat.seen == ["You: go", "Attune: still here"]


async def test_while_a_slow_reply_is_waited_for_everything_else_goes_on(
    backend: ScriptedBackend, chat: DrivenApp
) -> None:
    gate = Gate()
    backend.remember("Ada has a dog.", "my dog")
    backend.say(gate, "late, but ", "whole")
    await chat.write("take your time")
    await chat.pilot.press("enter")
    await gate.reached.wait()
    await chat.write("meanwhile")
    await chat.pilot.press("f3")
    await chat.shows(MemoriesScreen, 1)
    await chat.pilot.press("escape")
    await chat.shows(ChatScreen)
    gate.open()
    await chat.until(lambda: not chat.app.chat.answering, "the reply")
    assert chat.seen == ["You: take your time", "Attune: late, but whole"]
    assert chat.prompt.text == "meanwhile"


async def test_a_backend_that_falls_silent_is_given_up_in_words(backend: ScriptedBackend) -> None:
    backend.say("as far as", Gate())
    conversation = backend.converse("a talk")
    client = Client(Transport(backend.url, KEY, silence_s=0.2))
    try:
        with pytest.raises(ClientError, match="stopped answering; try again") as caught:
            async for _ in client.send(conversation.id, "hello", "m1"):
                pass
        assert caught.value.code == "timeout"
    finally:
        await client.close()


async def test_no_backend_at_the_address_is_said_with_the_repair(tmp_path: Path) -> None:
    async with driven(Launch(home=tmp_path, url="http://127.0.0.1:1", key=KEY)) as chat:
        await chat.until(lambda: bool(chat.toasts), "the error")
        assert "attune serve" in chat.toasts[0]
        await chat.say("my words")
        assert chat.prompt.text == "my words"
        assert "not connected" in chat.line("#state")


# ---------------------------------------------------------------- coming back, and rough treatment


async def test_a_reply_whose_connection_broke_is_taken_up_again(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.say("It is ", "raining ", Cut(), "in ", "Bergen.")
    await chat.say("weather?")
    assert chat.seen == ["You: weather?", "Attune: It is raining in Bergen."]
    assert backend.resumed == [3]
    assert chat.toasts == []


async def test_a_megabyte_is_refused_in_words_and_stays(backend: ScriptedBackend, chat: DrivenApp) -> None:
    text = "0123456789abcdef" * 65536
    chat.app.post_message(events.Paste(text))
    await chat.until(lambda: chat.prompt.text == text, "the paste")
    await chat.pilot.press("enter")
    await chat.until(lambda: bool(chat.toasts), "the word")
    assert "at most 32 KiB" in chat.toasts[-1]
    assert chat.prompt.text == text
    assert backend.sent == []


async def test_pasted_bytes_are_text_or_nothing(backend: ScriptedBackend, chat: DrivenApp) -> None:
    chat.app.post_message(events.Paste("a\x00\x1b[31mb\x07\udce9c"))
    await chat.until(lambda: bool(chat.prompt.text), "the paste")
    await chat.pilot.press("enter")
    await chat.until(lambda: not chat.app.chat.answering and bool(backend.sent), "the reply")
    assert "\x1b" not in backend.sent[0].content
    assert "\x00" not in backend.sent[0].content


async def test_the_terminal_may_change_its_size_while_a_reply_streams(
    backend: ScriptedBackend, chat: DrivenApp
) -> None:
    gate = Gate()
    backend.say("a long line that has to be wrapped " * 20, gate, "and its end")
    await chat.write("go")
    await chat.pilot.press("enter")
    await gate.reached.wait()
    for size in ((20, 8), (200, 60), (80, 24)):
        await chat.pilot.resize_terminal(*size)
    gate.open()
    await chat.until(lambda: not chat.app.chat.answering, "the end")
    assert chat.seen[-1].endswith("and its end")


async def test_a_key_that_is_revoked_in_between_is_said_on_every_page(
    backend: ScriptedBackend, chat: DrivenApp
) -> None:
    await chat.connected()
    backend.wrong_key = True
    await chat.say("my words")
    assert chat.prompt.text == "my words"
    assert "--key or ATTUNE_KEY" in chat.toasts[-1]


async def test_a_server_that_is_gone_is_said_and_found_again(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await chat.connected()
    chat.app.link.lost(ClientError("nothing answers"))
    await chat.until(lambda: "not connected" in chat.line("#state"), "the loss")
    await chat.say("are you there?")
    assert chat.seen[-1] == "Attune: You said: are you there?"
    assert "● connected" in chat.line("#state")
