"""Sending a message and what comes beside its reply."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual._xterm_parser import XTermParser
from textual.message import Message
from textual.widgets import Markdown

from assistant import wire
from tests.fakes.driven_app import DrivenApp
from tests.fakes.gate import Gate
from tests.fakes.scripted_backend import CARD, ScriptedBackend
from tui import editor
from tui.backend import Launch
from tui.errors import TerminalError
from tui.preferences import Preferences
from tui.screens.ask import AskScreen
from tui.widgets.panel import Panel

# ---------------------------------------------------------------- sending


async def test_a_message_is_sent_and_its_reply_shown(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.say("Hello, ", "**Ada**.")
    await chat.say("hi, I am Ada")
    assert chat.seen == ["You: hi, I am Ada", "Attune: Hello, **Ada**."], chat.toasts
    assert chat.prompt.text == ""
    assert [message.content for message in backend.sent] == ["hi, I am Ada"]


async def test_deltas_are_shown_in_the_order_of_the_stream(backend: ScriptedBackend, chat: DrivenApp) -> None:
    pieces = [f"piece {number}, " for number in range(60)]
    backend.say(*pieces)
    await chat.say("count")
    assert [event.type for event in chat.arrived] == ["message.created", *["delta"] * 60, "message.completed"]
    assert [event.seq for event in chat.arrived if event.type == "delta"] == list(range(1, 61))
    assert chat.seen[-1] == "Attune: " + "".join(pieces)


async def test_a_reply_is_seen_while_it_grows(backend: ScriptedBackend, chat: DrivenApp) -> None:
    first, second = Gate(), Gate()
    backend.say("It is ", first, "raining.", second)
    await chat.write("weather?")
    await chat.pilot.press("enter")
    await first.reached.wait()
    await chat.until(lambda: chat.replies[0].query_one(Markdown).source == "It is ", "the first piece")
    first.open()
    await chat.until(lambda: chat.replies[0].query_one(Markdown).source == "It is raining.", "the second piece")
    assert chat.app.chat.answering
    second.open()
    await chat.until(lambda: not chat.app.chat.answering, "the end")


async def test_text_after_a_code_fence_is_all_there_in_the_end(backend: ScriptedBackend, chat: DrivenApp) -> None:
    whole = "Try this:\n\n```python\nprint('a')\n```\n\nand then *rest*.\n\n- one\n- two\n"
    backend.say(*whole)
    await chat.say("code?")
    assert chat.replies[0].query_one(Markdown).source == whole
    assert [block.name for block in chat.replies[0].query_one(Markdown).children] == [
        "paragraph_open",
        "fence",
        "paragraph_open",
        "bullet_list_open",
    ]


async def test_the_conversation_goes_on_in_one_place(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await chat.say("one")
    await chat.say("two")
    assert len(backend.conversations) == 1
    assert [m.text for m in backend.messages["conv_0001"] if m.role == "user"] == ["one", "two"]


async def test_enter_sends_and_ctrl_j_begins_a_line(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await chat.pilot.press("a", "ctrl+j", "b", "alt+enter", "c")
    assert chat.prompt.text == "a\nb\nc"
    await chat.pilot.press("enter")
    await chat.until(lambda: bool(backend.sent), "the message")
    assert backend.sent[0].content == "a\nb\nc"


def typed(sent: str) -> list[Message]:
    """What Textual makes of what a terminal sends."""
    parser = XTermParser()
    return [*parser.feed(sent), *parser.feed("")]


async def test_alt_enter_begins_a_line_in_terminals_that_send_escape_and_enter(chat: DrivenApp) -> None:
    for event in [*typed("a"), *typed("\x1b\r"), *typed("b")]:
        chat.app.post_message(event)
    await chat.until(lambda: chat.prompt.text == "a\nb", "the two lines")


@pytest.mark.parametrize("sent", ["\x1bg", "\x1bn"])
async def test_a_key_with_alt_writes_nothing_in_terminals_that_send_escape_and_a_letter(
    backend: ScriptedBackend, chat: DrivenApp, sent: str
) -> None:
    await chat.say("one")
    for event in typed(sent):
        chat.app.post_message(event)
    if sent == "\x1bn":
        await chat.shows(AskScreen)
        await chat.pilot.press("enter")
    await chat.until(lambda: bool(backend.feedback), "the rating")
    assert chat.prompt.text == ""


async def test_what_joins_letters_and_emoji_is_typed_too(chat: DrivenApp) -> None:
    for event in typed("می\u200cخواهم 👨\u200d👧"):
        chat.app.post_message(event)
    await chat.until(lambda: chat.prompt.text == "می\u200cخواهم 👨\u200d👧", "the whole text")


async def test_enter_and_ctrl_j_can_be_swapped_for_good(
    backend: ScriptedBackend, chat: DrivenApp, launch: Launch
) -> None:
    await chat.app.chat.run_action("swap_enter")
    await chat.pilot.press("a", "enter", "b")
    assert chat.prompt.text == "a\nb"
    await chat.pilot.press("ctrl+j")
    await chat.until(lambda: bool(backend.sent), "the message")
    assert not Preferences.load(launch.home).enter_sends


async def test_the_prompt_grows_to_eight_lines(chat: DrivenApp) -> None:
    heights = []
    for _ in range(12):
        heights.append(chat.prompt.size.height)
        await chat.pilot.press("ctrl+j")
    assert heights[:4] == [1, 2, 3, 4]
    assert max(heights) == 8


async def test_nothing_is_sent_for_blanks(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await chat.pilot.press("space", "ctrl+j", "enter")
    assert not chat.app.chat.answering
    assert backend.sent == []


async def first_is_answered(backend: ScriptedBackend, chat: DrivenApp) -> Gate:
    """Send the first message, and return what holds its reply back once it has begun."""
    gate = Gate()
    backend.say("slow", gate)
    await chat.write("first")
    await chat.pilot.press("enter")
    await gate.reached.wait()
    return gate


async def test_the_next_message_waits_for_the_reply_and_is_sent_then(backend: ScriptedBackend, chat: DrivenApp) -> None:
    gate = await first_is_answered(backend, chat)
    await chat.write("second")
    await chat.pilot.press("enter")
    assert chat.prompt.text == ""
    assert chat.prompt.border_title == "next: second"
    gate.open()
    await chat.until(lambda: len(backend.sent) == 2 and not chat.app.chat.answering, "both")
    assert chat.seen == ["You: first", "Attune: slow", "You: second", "Attune: You said: second"]
    assert not chat.prompt.border_title


async def test_what_waits_is_brought_back_with_up(backend: ScriptedBackend, chat: DrivenApp) -> None:
    gate = await first_is_answered(backend, chat)
    await chat.write("second")
    await chat.pilot.press("enter", "up")
    assert chat.prompt.text == "second"
    gate.open()
    await chat.until(lambda: not chat.app.chat.answering, "the end")
    assert len(backend.sent) == 1


async def test_what_waits_comes_back_when_the_reply_is_stopped(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await first_is_answered(backend, chat)
    await chat.write("second")
    await chat.pilot.press("enter", "escape")
    await chat.until(lambda: not chat.app.chat.answering, "the stop")
    assert chat.prompt.text == "second"
    assert len(backend.sent) == 1


async def test_up_in_an_empty_prompt_brings_back_what_was_sent(chat: DrivenApp) -> None:
    await chat.say("again and again")
    await chat.pilot.press("up")
    assert chat.prompt.text == "again and again"


async def test_markup_in_what_is_said_is_shown_as_written(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.say("<b>bold</b> [red]x[/red] & <3")
    await chat.say("[bold]not markup[/bold] [/]")
    shown = chat.app.export_screenshot(simplify=True)
    assert "[bold]not&#160;markup[/bold]" in shown
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown


# ---------------------------------------------------------------- what comes beside the reply


async def test_notices_are_quiet_lines_shown_once(backend: ScriptedBackend, chat: DrivenApp) -> None:
    notice = wire.Notice(code="builtin", text="The builtin responder answers.")
    backend.say(notice, "a")
    backend.say(notice, wire.Notice(code="recall_timeout", text="I could not look into my memory."), "b")
    await chat.say("one")
    await chat.say("two")
    assert chat.seen == [
        "You: one",
        "— The builtin responder answers.",
        "Attune: a",
        "You: two",
        "— I could not look into my memory.",
        "Attune: b",
    ]


async def test_what_was_recalled_is_told_below_the_reply(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.say(wire.ContextUsed(facts=["Ada has a dog.", "Ada lives in Oslo."]), "How is your dog?")
    await chat.say("guess")
    assert chat.seen[-1] == "Attune: How is your dog? [recalled: Ada has a dog and 1 more]"


async def test_a_safety_event_with_resources_shows_the_card_before_the_reply(
    backend: ScriptedBackend, chat: DrivenApp
) -> None:
    backend.say(wire.Safety(level="high", resources=CARD), "I am glad you told me.")
    await chat.say("I want to die")
    assert chat.seen == ["You: I want to die", "Panel", "Attune: I am glad you told me."]
    assert "988" in chat.app.export_screenshot()


async def test_a_concern_without_resources_shows_no_card(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.say(wire.Safety(level="concern"), "Tell me more.")
    await chat.say("I am low")
    assert not chat.app.chat.query(Panel)


async def test_a_retraction_replaces_the_reply(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.say(
        "Something ",
        "harmful.",
        wire.MessageRetracted(message_id="msg_1", reason="unsafe", replacement="Let us talk about something safer."),
    )
    await chat.say("hm")
    assert chat.seen[-1] == "Attune: Let us talk about something safer. [The first answer was withdrawn.]"
    assert "harmful" not in chat.app.export_screenshot()


# ---------------------------------------------------------------- saying it again


async def test_another_reply_takes_the_place_of_the_last(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.say("first try")
    backend.say("second try")
    await chat.say("one")
    await chat.pilot.press("f5")
    await chat.until(lambda: chat.seen == ["You: one", "Attune: second try"], "the other reply")
    assert len(backend.sent) == 1


async def test_a_message_is_edited_and_sent_again(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await chat.say("I love ruin")
    await chat.write("a draft")
    await chat.pilot.press("f6")
    assert chat.prompt.text == "I love ruin"
    await chat.pilot.press(*["backspace"] * 3, *"ain", "enter")
    await chat.until(lambda: bool(backend.edited) and not chat.app.chat.answering, "the edit")
    assert chat.seen == ["You: I love rain", "Attune: You said: I love rain"]
    assert [text for _, text in backend.edited] == ["I love rain"]


async def test_an_edit_is_left_as_it_was_and_the_draft_comes_back(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await chat.say("one")
    await chat.write("a draft")
    await chat.pilot.press("f6", "escape")
    assert chat.prompt.text == "a draft"
    assert backend.edited == []


async def test_an_edit_that_is_refused_loses_nothing(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await chat.say("one")
    await chat.pilot.press("f6", *" two")
    backend.wrong_key = True
    await chat.pilot.press("enter")
    await chat.until(lambda: bool(chat.toasts) and not chat.app.chat.answering, "the error")
    assert chat.prompt.text == "one two"


async def test_a_reply_is_rated_and_the_reason_told(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await chat.say("one")
    await chat.pilot.press("alt+g")
    await chat.until(lambda: [f.rating for f in backend.feedback.values()] == ["up"], "the rating")
    await chat.pilot.press("alt+n")
    await chat.shows(AskScreen)
    await chat.pilot.press(*"too long", "enter")
    await chat.until(lambda: [f.reason for f in backend.feedback.values()] == ["too long"], "the reason")
    assert "rated not good" in chat.seen[-1]


async def test_the_last_reply_and_a_marked_message_are_copied(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await chat.say("one")
    await chat.pilot.press("alt+c")
    assert chat.app.clipboard == "You said: one"
    await chat.pilot.press("alt+up", "up", "c")
    assert chat.app.clipboard == "one"
    await chat.pilot.press("down", "down")
    assert chat.prompt.has_focus


async def test_a_text_is_written_in_ones_own_editor(
    chat: DrivenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "editor"
    script.write_text("#!/bin/sh\nprintf 'from the editor' >> \"$1\"\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(script))
    monkeypatch.delenv("VISUAL", raising=False)
    assert editor.edit("begun ") == "begun from the editor"
    monkeypatch.setenv("EDITOR", "false")
    with pytest.raises(TerminalError, match="as it was"):
        editor.edit("begun ")
    monkeypatch.setenv("EDITOR", "")
    with pytest.raises(TerminalError, match="EDITOR"):
        editor.edit("begun ")
    await chat.pilot.press("ctrl+l")
    await chat.until(lambda: any("editor" in toast.lower() for toast in chat.toasts), "the word")
