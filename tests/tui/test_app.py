"""The app as a whole: help, card, palette, themes, the state of the backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant import wire
from tests.fakes.driven_app import DrivenApp, driven
from tests.fakes.scripted_backend import KEY, ScriptedBackend
from tui.backend import Launch
from tui.key_table import KEYS
from tui.preferences import Preferences
from tui.screens.chat import ChatScreen
from tui.screens.help import HelpScreen
from tui.screens.memories import MemoriesScreen
from tui.screens.resources import ResourcesScreen
from tui.widgets.conversation import Conversation
from tui.widgets.panel import Panel

# ---------------------------------------------------------------- help, card, palette, theme


async def test_help_lists_every_key_and_closes(chat: DrivenApp) -> None:
    await chat.pilot.press("f1")
    await chat.until(lambda: isinstance(chat.app.screen, HelpScreen), "the help")
    await chat.pilot.press("escape")
    await chat.until(lambda: isinstance(chat.app.screen, ChatScreen), "the chat")


@pytest.mark.parametrize("first", ["", "f1", "f2", "f3", "f10", "ctrl+b"])
async def test_the_resource_card_is_one_key_away_from_every_screen(chat: DrivenApp, first: str) -> None:
    await chat.pilot.press(*filter(None, [first]))
    await chat.pilot.press("f9")
    await chat.shows(ResourcesScreen)
    await chat.until(lambda: bool(chat.app.screen.query(Panel)), "the card")
    assert "988" in chat.picture


async def test_without_a_backend_the_card_still_says_what_to_do(tmp_path: Path) -> None:
    async with driven(Launch(home=tmp_path, url="http://127.0.0.1:1")) as chat:
        await chat.pilot.press("f9")
        await chat.until(lambda: "emergency" in chat.app.export_screenshot(), "the words")


async def test_the_palette_offers_everything_that_is_in_the_key_map(chat: DrivenApp) -> None:
    offered = {command.title for command in chat.app.get_system_commands(chat.app.chat)}
    assert offered == {key.command for key in KEYS if key.command and key.scope in ("chat", "prompt", "anywhere")}
    assert {"Persona", "Memories", "Settings", "Crisis lines", "Why this reply", "New conversation"} <= offered


async def test_each_page_has_its_own_commands(chat: DrivenApp) -> None:
    await chat.pilot.press("f3")
    await chat.shows(MemoriesScreen)
    offered = {command.title for command in chat.app.get_system_commands(chat.app.screen)}
    assert {"Forget the marked memory", "Remember something", "Crisis lines"} <= offered
    assert "New conversation" not in offered


async def test_a_command_of_the_palette_is_run(chat: DrivenApp) -> None:
    await chat.pilot.press("ctrl+p", *"crisis")
    await chat.pilot.pause(0.2)
    await chat.pilot.press("enter")
    await chat.until(lambda: isinstance(chat.app.screen, ResourcesScreen), "the card")


async def test_the_themes_follow_each_other_and_the_choice_is_kept(chat: DrivenApp, launch: Launch) -> None:
    await chat.pilot.press("f4")
    assert chat.app.theme == "attune-light"
    async with driven(launch) as later:
        assert later.app.theme == "attune-light"
        await later.pilot.press("f4", "f4")
        assert later.app.theme == "attune-light-contrast"
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
        await chat.connected()
        assert chat.app.no_color


# ---------------------------------------------------------------- the state of the backend


async def test_the_status_line_says_what_answers(chat: DrivenApp) -> None:
    await chat.connected()
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
    await chat.connected()
    backend.health = wire.Health(status="degraded", checks={"policy": "no answer"}, policy="Qwen3-8B (vLLM)")
    await chat.app.link.check()
    await chat.pilot.pause()
    assert chat.line("#state") == "● connected · Qwen3-8B"
