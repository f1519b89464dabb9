"""What the person allows: the first page, the settings, and what is said of the model."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from assistant import wire
from tests.fakes.driven_app import DrivenApp, driven
from tests.fakes.scripted_backend import ScriptedBackend
from tui import carrying, choices
from tui.backend import Launch
from tui.errors import TerminalError
from tui.preferences import Preferences
from tui.screens.ask import AskScreen, ChooseScreen
from tui.screens.chat import ChatScreen
from tui.screens.first_run import FirstRunScreen
from tui.screens.resources import ResourcesScreen
from tui.screens.settings import CHANGES, SettingsScreen


async def open_settings(chat: DrivenApp) -> None:
    await chat.pilot.press("f10")
    await chat.shows(SettingsScreen, len(choices.SETTINGS))


async def test_a_switch_is_turned(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await open_settings(chat)
    await chat.pilot.press("down", "down", "enter")
    await chat.until(lambda: backend.person.settings.training, "the consent")
    await chat.until(lambda: chat.app.screen.query_one("OptionList").has_focus, "the page")


async def test_the_country_chooses_the_crisis_lines(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await open_settings(chat)
    await chat.pilot.press(*["down"] * 3, "enter")
    await chat.shows(AskScreen)
    await chat.pilot.press(*"NO", "enter")
    await chat.until(lambda: backend.person.settings.country == "NO", "the country")
    await chat.pilot.press("f9")
    await chat.shows(ResourcesScreen)
    await chat.until(lambda: backend.countries == ["NO"], "the lines")


async def test_what_the_backend_refuses_is_said(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await open_settings(chat)
    await chat.pilot.press(*["down"] * 3, "enter")
    await chat.shows(AskScreen)
    await chat.pilot.press(*"XX", "enter")
    await chat.until(lambda: any("no country has this code" in toast for toast in chat.toasts), "the refusal")


async def test_ones_age_is_said_and_taken_back(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await open_settings(chat)
    for steps, adult in (((), True), (("down", "down"), None)):
        await chat.pilot.press("end", "enter")
        await chat.shows(ChooseScreen, 3)
        await chat.pilot.press(*steps, "enter")
        await chat.until(lambda wanted=adult: backend.person.settings.adult is wanted, "the word")  # type: ignore[misc]
        await chat.shows(SettingsScreen)


async def test_it_says_which_model_answers_and_where(chat: DrivenApp) -> None:
    await open_settings(chat)
    assert "Scripted replies" in chat.line("#answers")
    assert "on this machine" in chat.line("#answers")


async def test_the_first_page_is_shown_once(backend: ScriptedBackend, launch: Launch) -> None:
    async with driven(launch, met=False) as chat:
        await chat.shows(FirstRunScreen)
        await chat.until(lambda: "Scripted replies" in chat.line("#answers"), "what answers")
        await chat.pilot.press("space", "tab", "tab", "tab", "tab", *["backspace"] * 2, *"AT", "enter")
        await chat.shows(ChatScreen)
    change = backend.person.changes[-1]
    assert (change.adult, change.memory, change.persona, change.training) == (True, True, True, False)
    assert change.country == "AT"
    assert Preferences.load(launch.home).met
    async with driven(launch, met=None) as chat:
        await chat.connected()
        assert isinstance(chat.app.screen, ChatScreen)


async def test_a_box_left_empty_is_no_word_about_ones_age(backend: ScriptedBackend, launch: Launch) -> None:
    async with driven(launch, met=False) as chat:
        await chat.shows(FirstRunScreen)
        await chat.app.screen.query_one("#begin").focus().run_action("press")
        await chat.shows(ChatScreen)
    assert backend.person.settings.adult is None
    assert not backend.person.settings.training


async def test_what_is_ticked_is_told_apart_without_colours(backend: ScriptedBackend, launch: Launch) -> None:
    async with driven(launch, met=False) as chat:
        await chat.shows(FirstRunScreen)
        await chat.until(lambda: "▐ ▌ I am 18" in chat.picture and "▐X▌ Remember" in chat.picture, "the boxes")
        await chat.pilot.press("space", "tab", "space")
        await chat.until(lambda: "▐X▌ I am 18" in chat.picture and "▐ ▌ Remember" in chat.picture, "the other way")


async def test_later_means_that_it_comes_back(backend: ScriptedBackend, launch: Launch) -> None:
    async with driven(launch, met=False) as chat:
        await chat.shows(FirstRunScreen)
        await chat.pilot.press("escape")
        await chat.shows(ChatScreen)
    assert not Preferences.load(launch.home).met
    assert backend.person.changes == []


async def test_without_a_backend_the_first_page_still_opens(tmp_path: Path) -> None:
    async with driven(Launch(home=tmp_path, url="http://127.0.0.1:1"), met=False) as chat:
        await chat.shows(FirstRunScreen)
        await chat.until(lambda: "not known yet" in chat.line("#answers"), "the reason")


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("memory", "off", False),
        ("training", "Yes", True),
        ("adult", "-", None),
        ("retention_days", "30", 30),
        ("retention_days", "", None),
        ("country", " AT ", "AT"),
    ],
)
def test_what_is_typed_is_read(name: str, typed: str, value: object) -> None:
    assert choices.read(choices.setting(name), typed) == value


@pytest.mark.parametrize(("name", "typed"), [("memory", "perhaps"), ("memory", ""), ("retention_days", "a week")])
def test_what_cannot_be_read_is_an_error_that_says_how(name: str, typed: str) -> None:
    with pytest.raises(TerminalError, match=name):
        choices.read(choices.setting(name), typed)


def test_a_backend_elsewhere_is_told_as_such() -> None:
    health = wire.Health(status="degraded", checks={"policy": "no answer"}, policy="Qwen3-8B")
    assert choices.answers(health, url_is_here=False) == [
        "Qwen3-8B",
        "The backend runs on another machine: what you write is sent there.",
        "policy: no answer",
    ]


def test_the_country_of_this_machine_is_a_suggestion() -> None:
    assert choices.country_here({"LANG": "de_AT.UTF-8"}) == "AT"
    assert choices.country_here({"LANG": "C.UTF-8"}) == ""


async def test_everything_is_taken_out_into_one_file(chat: DrivenApp, tmp_path: Path) -> None:
    await open_settings(chat)
    await chat.pilot.press("e")
    await chat.shows(AskScreen)
    chat.app.screen.query_one(Input).value = str(tmp_path / "all.zip")
    await chat.pilot.press("enter")
    await chat.until(lambda: "all.zip" in chat.line("#count"), "the archive")
    assert (tmp_path / "all.zip").read_bytes() == b"PK everything"


async def test_a_chatgpt_export_is_brought_in(backend: ScriptedBackend, chat: DrivenApp, tmp_path: Path) -> None:
    (tmp_path / "conversations.json").write_text("[]", encoding="utf-8")
    await open_settings(chat)
    await chat.pilot.press("i")
    await chat.shows(ChooseScreen, 3)
    await chat.pilot.press("enter")
    await chat.shows(AskScreen)
    chat.app.screen.query_one(Input).value = str(tmp_path / "conversations.json")
    await chat.pilot.press("enter")
    await chat.until(lambda: "2 conversations with 9 messages" in chat.line("#count"), "the import")
    assert "left out: one: no text" in chat.line("#count")
    assert backend.person.brought == [("chatgpt", b"[]")]


async def test_the_page_does_not_go_on_saying_how_far_a_failed_import_was(chat: DrivenApp, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    await open_settings(chat)
    await chat.pilot.press("i")
    await chat.shows(ChooseScreen, 3)
    await chat.pilot.press("enter")
    await chat.shows(AskScreen)
    chat.app.screen.query_one(Input).value = str(tmp_path / "empty")
    await chat.pilot.press("enter")
    await chat.until(lambda: any("the file is empty" in toast for toast in chat.toasts), "the complaint")
    assert chat.line("#count") == CHANGES


async def test_an_import_that_fails_says_why(backend: ScriptedBackend, chat: DrivenApp, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    client = await chat.app.link.client()
    with pytest.raises(TerminalError, match="the file is empty"):
        await carrying.bring_in(client, str(tmp_path / "empty"), "jsonl", print)
    with pytest.raises(TerminalError, match="is a folder"):
        await carrying.bring_in(client, str(tmp_path), "jsonl", print)
    with pytest.raises(TerminalError, match="there is no file"):
        await carrying.bring_in(client, str(tmp_path / "nowhere"), "jsonl", print)
    with pytest.raises(TerminalError, match="there already"):
        await carrying.take_out(client, str(tmp_path / "empty"), print)
