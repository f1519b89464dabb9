"""Everything a person can do in the app, with the keys they would press."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Markdown, OptionList

from assistant import wire
from tests.fakes.driven_app import DrivenApp, driven
from tests.fakes.gate import Gate
from tests.fakes.scripted_backend import CARD, KEY, Cut, Raw, Refusal, ScriptedBackend
from tui.backend import Launch
from tui.preferences import Preferences
from tui.screens.chat import ChatScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.conversations import ConversationsScreen
from tui.screens.help import HelpScreen
from tui.screens.memories import MemoriesScreen
from tui.screens.resources import ResourcesScreen
from tui.widgets.conversation import Conversation
from tui.widgets.panel import Panel

# ---------------------------------------------------------------- sending


async def test_a_message_is_sent_and_its_reply_shown(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.say("Hello, ", "**Ada**.")
    await chat.say("hi, I am Ada")
    assert chat.seen == ["You: hi, I am Ada", "Attune: Hello, **Ada**."]
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


async def test_one_message_at_a_time_and_the_draft_stays(backend: ScriptedBackend, chat: DrivenApp) -> None:
    gate = Gate()
    backend.say("slow", gate)
    await chat.write("first")
    await chat.pilot.press("enter")
    await gate.reached.wait()
    await chat.write("second")
    await chat.pilot.press("enter")
    assert chat.prompt.text == "second"
    assert "still answering" in chat.toasts[-1]
    gate.open()
    await chat.until(lambda: not chat.app.chat.answering, "the end")
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


async def test_a_cut_stream_keeps_what_was_said(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.say("as far as it ", "came", Cut())
    await chat.say("go")
    assert chat.seen[-1] == "Attune: as far as it came [broken off]"
    assert chat.prompt.text == ""
    assert "lost" in chat.toasts[-1]
    await chat.say("again")
    assert chat.seen[-1] == "Attune: You said: again"


async def test_a_malformed_event_is_an_error_and_not_a_crash(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.say(Raw("data: {broken\n\n"))
    await chat.say("keep me")
    assert chat.prompt.text == "keep me"
    assert "same version" in chat.toasts[-1]


async def test_no_backend_at_the_address_is_said_with_the_repair(tmp_path: Path) -> None:
    async with driven(Launch(home=tmp_path, url="http://127.0.0.1:1", key=KEY)) as chat:
        await chat.until(lambda: bool(chat.toasts), "the error")
        assert "attune serve" in chat.toasts[0]
        await chat.say("my words")
        assert chat.prompt.text == "my words"
        assert "not connected" in chat.line("#state")


# ---------------------------------------------------------------- conversations


async def test_a_new_conversation_starts_empty_and_keeps_the_draft(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await chat.say("one")
    await chat.write("a draft")
    await chat.pilot.press("ctrl+n")
    await chat.pilot.pause()
    assert chat.seen == ["Welcome"]
    assert chat.prompt.text == "a draft"
    await chat.pilot.press("enter")
    await chat.until(lambda: len(backend.conversations) == 2, "the second conversation")


async def test_a_reply_of_a_conversation_left_behind_is_not_shown(backend: ScriptedBackend, chat: DrivenApp) -> None:
    gate = Gate()
    backend.say("old", gate, " words")
    await chat.write("one")
    await chat.pilot.press("enter")
    await gate.reached.wait()
    await chat.pilot.press("ctrl+n")
    await chat.say("two")
    assert chat.seen == ["You: two", "Attune: You said: two"]


async def test_a_conversation_is_found_reopened_and_gone_on_with(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.converse("Rain in Bergen", "does it rain?", "it does")
    talk = backend.converse("A new job", "I have a new job", "Congratulations!")
    backend.converse("Sunday lunch", "what to cook?", "soup")
    await chat.pilot.press("ctrl+o")
    await chat.until(lambda: isinstance(chat.app.screen, ConversationsScreen) and listed(chat) == 3, "the list")
    await chat.pilot.press(*"job")
    await chat.until(lambda: listed(chat) == 1, "the filter")
    await chat.pilot.press("enter")
    await chat.until(lambda: len(chat.seen) == 2, "the conversation")
    assert chat.seen == ["You: I have a new job", "Attune: Congratulations!"]
    assert "A new job" in chat.line("#title")
    await chat.say("thanks")
    assert [m.text for m in backend.messages[talk.id]][-2:] == ["thanks", "You said: thanks"]


async def test_leaving_the_list_changes_nothing(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await chat.say("one")
    await chat.pilot.press("ctrl+o")
    await chat.until(lambda: isinstance(chat.app.screen, ConversationsScreen) and listed(chat) == 1, "the list")
    await chat.pilot.press("escape")
    await chat.until(lambda: isinstance(chat.app.screen, ChatScreen), "the chat")
    assert chat.seen == ["You: one", "Attune: You said: one"]


async def test_of_a_long_conversation_the_newest_part_is_shown(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.converse("long", *[f"message {number}" for number in range(101)])
    await chat.pilot.press("ctrl+o")
    await chat.until(lambda: isinstance(chat.app.screen, ConversationsScreen) and listed(chat) == 1, "the list")
    await chat.pilot.press("enter")
    await chat.until(lambda: len(chat.seen) == 81, "the conversation")
    assert chat.seen[0] == "— 21 earlier messages are kept but not shown here."
    assert chat.seen[-1] == "You: message 100"


# ---------------------------------------------------------------- memories


async def open_memories(chat: DrivenApp, count: int) -> None:
    await chat.pilot.press("f3")
    await chat.until(lambda: isinstance(chat.app.screen, MemoriesScreen) and listed(chat) == count, "the memories")


async def test_memories_are_listed_with_the_words_they_rest_on(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.remember("Ada has a dog called Biscuit.", "my dog Biscuit")
    await open_memories(chat, 1)
    shown = chat.app.export_screenshot()
    assert "Ada&#160;has&#160;a&#160;dog&#160;called&#160;Biscuit." in shown
    assert "“my&#160;dog&#160;Biscuit”" in shown
    await chat.pilot.press("escape")
    await chat.until(lambda: isinstance(chat.app.screen, ChatScreen), "the chat")


async def test_a_memory_is_forgotten_after_asking(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.remember("Ada has a dog called Biscuit.", "my dog Biscuit")
    work = backend.remember("Ada works in Oslo.", "I work in Oslo")
    tired = backend.remember("Ada is tired of her job in Oslo.", "I work in Oslo")
    backend.goes_along[work.id] = [tired.id]
    await open_memories(chat, 3)
    await chat.pilot.press(*"works")
    await chat.until(lambda: listed(chat) == 1, "the filter")
    await chat.pilot.press("f8")
    await chat.until(lambda: isinstance(chat.app.screen, ConfirmScreen), "the question")
    question = chat.line("#question")
    assert "Ada works in Oslo." in question
    assert "With it goes:\n  • Ada is tired of her job in Oslo." in question
    await chat.pilot.press("y")
    await chat.until(lambda: len(backend.memories) == 1, "the forgetting")
    await chat.pilot.press(*["backspace"] * 5)
    await chat.until(lambda: listed(chat) == 1, "the shorter list")


async def test_the_harmless_answer_is_in_front(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.remember("Ada works in Oslo.", "I work in Oslo")
    await open_memories(chat, 1)
    await chat.pilot.press("f8")
    await chat.until(lambda: isinstance(chat.app.screen, ConfirmScreen), "the question")
    await chat.pilot.press("enter")
    await chat.until(lambda: isinstance(chat.app.screen, MemoriesScreen), "the memories")
    assert len(backend.memories) == 1


async def test_a_memory_that_is_gone_already_is_said(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.remember("Ada works in Oslo.", "I work in Oslo")
    await open_memories(chat, 1)
    backend.memories.clear()
    await chat.pilot.press("f8")
    await chat.until(lambda: bool(chat.toasts), "the error")
    assert "is remembered" in chat.toasts[-1]
    await chat.pilot.press("f5")
    await chat.until(lambda: listed(chat) == 0, "the empty list")
    assert "Nothing yet" in chat.line("Picker .empty")


# ---------------------------------------------------------------- help, card, palette, theme


async def test_help_lists_every_key_and_closes(chat: DrivenApp) -> None:
    await chat.pilot.press("f1")
    await chat.until(lambda: isinstance(chat.app.screen, HelpScreen), "the help")
    await chat.pilot.press("escape")
    await chat.until(lambda: isinstance(chat.app.screen, ChatScreen), "the chat")


async def test_the_resource_card_is_always_one_key_away(chat: DrivenApp) -> None:
    await chat.pilot.press("f9")
    await chat.until(
        lambda: isinstance(chat.app.screen, ResourcesScreen) and bool(chat.app.screen.query(Panel)), "the card"
    )
    assert "988" in chat.app.export_screenshot()


async def test_without_a_backend_the_card_still_says_what_to_do(tmp_path: Path) -> None:
    async with driven(Launch(home=tmp_path, url="http://127.0.0.1:1")) as chat:
        await chat.pilot.press("f9")
        await chat.until(lambda: "emergency" in chat.app.export_screenshot(), "the words")


async def test_the_palette_offers_everything_that_is_in_the_key_map(chat: DrivenApp) -> None:
    offered = {command.title for command in chat.app.get_system_commands(chat.app.chat)}
    assert offered == {
        "Swap Enter and Ctrl+J",
        "New conversation",
        "Open a conversation",
        "Memories",
        "Crisis lines",
        "Help",
        "Light or dark theme",
        "Quit",
    }


async def test_a_command_of_the_palette_is_run(chat: DrivenApp) -> None:
    await chat.pilot.press("ctrl+p", *"crisis")
    await chat.pilot.pause(0.2)
    await chat.pilot.press("enter")
    await chat.until(lambda: isinstance(chat.app.screen, ResourcesScreen), "the card")


async def test_the_theme_is_switched_and_kept(chat: DrivenApp, launch: Launch) -> None:
    await chat.pilot.press("f4")
    assert chat.app.theme == "attune-light"
    assert Preferences.load(launch.home).theme == "light"
    async with driven(launch) as later:
        assert later.app.theme == "attune-light"
        await later.pilot.press("f4")
    assert Preferences.load(launch.home).theme == "dark"


async def test_page_keys_scroll_the_conversation_from_the_prompt(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.say("\n\n".join(f"paragraph {number}" for number in range(30)))
    await chat.say("long")
    conversation = chat.app.chat.query_one(Conversation)
    end = conversation.scroll_y
    await chat.pilot.press("pageup")
    await chat.pilot.pause()
    assert 0 < conversation.scroll_y < end
    await chat.pilot.press("pagedown")
    await chat.pilot.pause()
    assert conversation.scroll_y == end


async def test_no_color_means_no_colour(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with driven(launch) as chat:
        await connected(chat)
        assert chat.app.no_color


# ---------------------------------------------------------------- the state of the backend


async def connected(chat: DrivenApp) -> None:
    await chat.until(lambda: "connected" in chat.line("#state"), "the connection")


async def test_the_status_line_says_what_answers(chat: DrivenApp) -> None:
    await connected(chat)
    assert chat.line("#state") == "● connected · Scripted replies"


async def test_a_message_waits_for_what_is_still_starting(backend: ScriptedBackend, tmp_path: Path) -> None:
    backend.starting = 3
    async with driven(Launch(home=tmp_path, url=backend.url, key=KEY)) as chat:
        await chat.write("hello")
        await chat.pilot.press("enter")
        await chat.until(
            lambda: "embedder: starting" in chat.app.export_screenshot().replace("&#160;", " "), "the wait"
        )
        await chat.until(lambda: not chat.app.chat.answering, "the reply")
        assert chat.seen[-1] == "Attune: You said: hello"


async def test_a_backend_that_goes_away_is_noticed(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await connected(chat)
    backend.health = wire.Health(status="degraded", checks={"policy": "no answer"}, policy="Qwen3-8B (vLLM)")
    await chat.app.link.check()
    await chat.pilot.pause()
    assert chat.line("#state") == "● connected · Qwen3-8B"


def listed(chat: DrivenApp) -> int:
    lists = chat.app.screen.query(OptionList)
    return sum(1 for one in lists for option in one.options if option.id is not None) if lists else -1
