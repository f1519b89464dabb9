"""Conversations: found, opened, renamed, put away, deleted, left."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.fakes.driven_app import PATIENCE_S, DrivenApp, driven
from tests.fakes.gate import Gate
from tests.fakes.scripted_backend import ScriptedBackend
from tui.backend import Launch
from tui.screens.ask import AskScreen, ChooseScreen
from tui.screens.chat import ChatScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.conversations import ConversationsScreen


async def test_each_conversation_keeps_its_draft(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await chat.say("one")
    await chat.write("a draft")
    await chat.pilot.press("ctrl+n")
    await chat.until(lambda: chat.seen == ["Welcome"], "the new conversation")
    assert chat.prompt.text == ""
    await chat.write("another draft")
    await chat.pilot.press("ctrl+o")
    await chat.until(lambda: len(chat.seen) == 2, "the conversation before")
    assert chat.prompt.text == "a draft"
    await chat.pilot.press("ctrl+n")
    await chat.until(lambda: chat.prompt.text == "another draft", "the draft of the new one")


async def test_drafts_are_there_after_a_restart_but_for_incognito_ones(
    backend: ScriptedBackend, launch: Launch, tmp_path: Path
) -> None:
    async with driven(launch) as chat:
        await chat.say("one")
        await chat.write("a draft")
        await chat.pilot.press("ctrl+n")
        await chat.until(lambda: chat.seen == ["Welcome"], "the new conversation")
        await chat.write("another draft")
        chat.app.exit()
    assert (tmp_path / "drafts.json").stat().st_mode & 0o077 == 0
    async with driven(launch) as chat:
        assert chat.prompt.text == "another draft"
        await chat.pilot.press("ctrl+o")
        await chat.until(lambda: len(chat.seen) == 2, "the conversation")
        assert chat.prompt.text == "a draft"
        await chat.app.chat.run_action("incognito")
        await chat.write("between us")
        chat.app.exit()
    kept = (tmp_path / "drafts.json").read_text(encoding="utf-8")
    assert "a draft" in kept and "between us" not in kept


async def test_at_the_start_ctrl_o_opens_the_newest_conversation(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.converse("Rain in Bergen", "does it rain?", "it does")
    backend.converse("A new job", "I have a new job", "Congratulations!")
    await chat.pilot.press("ctrl+o")
    await chat.until(lambda: chat.seen == ["You: I have a new job", "Attune: Congratulations!"], "the conversation")


async def open_chats(chat: DrivenApp, count: int) -> None:
    await chat.pilot.press("ctrl+b")
    await chat.shows(ConversationsScreen, count)


async def test_a_conversation_is_found_by_words_said_in_it(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.converse("Rain in Bergen", "shall I take an umbrella?", "do")
    backend.converse("A new job", "I have a new job", "Congratulations!")
    await open_chats(chat, 2)
    await chat.pilot.press(*"umbrella")
    await chat.shows(ConversationsScreen, 1)
    assert "Rain in Bergen" in chat.picture


async def test_a_conversation_is_renamed(backend: ScriptedBackend, chat: DrivenApp) -> None:
    talk = backend.converse("Rain", "does it rain?", "it does")
    await open_chats(chat, 1)
    await chat.pilot.press("f6")
    await chat.shows(AskScreen)
    await chat.pilot.press(*"bow", "enter")
    await chat.until(lambda: backend.conversations[talk.id].title == "Rainbow", "the title")
    await chat.until(lambda: "Rainbow" in chat.picture, "the list")


async def test_a_conversation_is_put_away_and_taken_back(backend: ScriptedBackend, chat: DrivenApp) -> None:
    talk = backend.converse("Rain", "does it rain?", "it does")
    await open_chats(chat, 1)
    await chat.pilot.press("f7")
    await chat.shows(ConversationsScreen, 0)
    assert backend.conversations[talk.id].archived
    await chat.pilot.press("f4")
    await chat.shows(ConversationsScreen, 1)
    await chat.pilot.press("f7")
    await chat.until(lambda: not backend.conversations[talk.id].archived, "taking it back")


async def test_a_conversation_is_deleted_after_asking(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.converse("Rain", "does it rain?", "it does")
    await open_chats(chat, 1)
    await chat.pilot.press("f8")
    await chat.shows(ConfirmScreen)
    await chat.pilot.press("enter")
    await chat.shows(ConversationsScreen, 1)
    await chat.pilot.press("f8")
    await chat.shows(ConfirmScreen)
    await chat.pilot.press("y")
    await chat.until(lambda: not backend.conversations, "the deletion")


@pytest.mark.parametrize(("moves", "ending"), [((), "md"), (("down",), "json")])
async def test_a_conversation_is_written_to_a_file(
    backend: ScriptedBackend,
    chat: DrivenApp,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moves: tuple[str, ...],
    ending: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    backend.converse("Rain in Bergen", "does it rain?", "it does, mostly")
    await open_chats(chat, 1)
    await chat.pilot.press("f5")
    await chat.shows(ChooseScreen, 2)
    await chat.pilot.press(*moves, "enter")
    await chat.shows(AskScreen)
    await chat.pilot.press("enter")
    await chat.until(lambda: any("Exported" in toast for toast in chat.toasts), "the file")
    assert "it does, mostly" in (tmp_path / f"attune-rain-in-bergen.{ending}").read_text(encoding="utf-8")


async def test_an_incognito_conversation_is_deleted_when_it_is_left(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await chat.app.chat.run_action("incognito")
    await chat.say("between us")
    [talk] = backend.conversations.values()
    assert talk.incognito
    assert "incognito" in chat.line("#title")
    await chat.pilot.press("ctrl+n")
    await chat.until(lambda: not backend.conversations, "the deletion")
    await chat.say("for the record")
    assert not next(iter(backend.conversations.values())).incognito


async def test_an_incognito_conversation_is_deleted_on_quitting(backend: ScriptedBackend, launch: Launch) -> None:
    async with driven(launch) as chat:
        await chat.app.chat.run_action("incognito")
        await chat.say("between us")
        await chat.pilot.press("ctrl+q")
        await chat.until(lambda: not backend.conversations, "the deletion")


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
    await chat.pilot.press("ctrl+b")
    await chat.until(lambda: isinstance(chat.app.screen, ConversationsScreen) and chat.listed == 3, "the list")
    await chat.pilot.press(*"job")
    await chat.until(lambda: chat.listed == 1, "the filter")
    await chat.pilot.press("enter")
    await chat.until(lambda: len(chat.seen) == 2, "the conversation")
    assert chat.seen == ["You: I have a new job", "Attune: Congratulations!"]
    assert "A new job" in chat.line("#title")
    await chat.say("thanks")
    assert [m.text for m in backend.messages[talk.id]][-2:] == ["thanks", "You said: thanks"]


async def test_leaving_the_list_changes_nothing(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await chat.say("one")
    await chat.pilot.press("ctrl+b")
    await chat.until(lambda: isinstance(chat.app.screen, ConversationsScreen) and chat.listed == 1, "the list")
    await chat.pilot.press("escape")
    await chat.until(lambda: isinstance(chat.app.screen, ChatScreen), "the chat")
    assert chat.seen == ["You: one", "Attune: You said: one"]


async def test_of_a_long_conversation_a_window_is_drawn_that_moves(backend: ScriptedBackend, chat: DrivenApp) -> None:
    said = [f"message {number}" for number in range(121)]
    backend.converse("long", *said)
    await chat.pilot.press("ctrl+o")
    await chat.until(lambda: chat.seen[-1] == "You: message 120", "the conversation")
    assert chat.seen[0] == "— There are earlier messages; look back to see them."
    conversation, drawn = chat.app.chat.conversation, 0
    async with asyncio.timeout(PATIENCE_S):
        while conversation.hidden_before or conversation.scroll_y > 0:
            await chat.pilot.press("pageup")
            drawn = max(drawn, len(conversation.blocks))
            texts = [block.text for block in conversation.blocks]
            assert texts == said[said.index(texts[0]) :][: len(texts)]
        assert chat.seen[0] == "You: message 0"
        while conversation.hidden_after or conversation.scroll_y < conversation.max_scroll_y:
            await chat.pilot.press("pagedown")
            drawn = max(drawn, len(conversation.blocks))
    assert chat.seen[-1] == "You: message 120"
    assert drawn < 100
    await chat.say("go on")
    assert chat.seen[-1] == "Attune: You said: go on"
    assert conversation.scroll_y == conversation.max_scroll_y


async def test_what_is_in_view_stays_while_earlier_messages_are_drawn(
    backend: ScriptedBackend, chat: DrivenApp
) -> None:
    backend.converse("long", *[f"message {number}" for number in range(121)])
    await chat.pilot.press("ctrl+o")
    await chat.until(lambda: chat.seen[-1] == "You: message 120", "the conversation")
    conversation = chat.app.chat.conversation
    await chat.until(lambda: not conversation.moving, "the window")
    first = conversation.blocks[0]
    conversation.scroll_to(y=first.virtual_region.y, animate=False, immediate=True)
    await chat.until(lambda: conversation.blocks[0] is not first and not conversation.moving, "earlier ones")
    assert conversation.scroll_y == first.virtual_region.y


async def test_from_far_back_one_key_shows_the_newest_message(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.converse("long", *[f"message {number}" for number in range(121)])
    await chat.pilot.press("ctrl+o")
    await chat.until(lambda: chat.seen[-1] == "You: message 120", "the conversation")
    conversation = chat.app.chat.conversation
    async with asyncio.timeout(PATIENCE_S):
        while not conversation.hidden_after:
            await chat.pilot.press("pageup")
    await chat.pilot.press("ctrl+end")
    await chat.until(lambda: chat.seen[-1] == "You: message 120" and not conversation.moving, "the newest")
    assert conversation.scroll_y == conversation.max_scroll_y
