from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.driven_app import driven
from tests.fakes.scripted_backend import ScriptedBackend
from tui import keys
from tui.app import AttuneApp
from tui.backend import Launch
from tui.key_table import KEYS, SCOPES, Key, Scope
from tui.screens.chat import ChatScreen
from tui.screens.conversations import ConversationsScreen
from tui.screens.help import HelpScreen
from tui.screens.memories import MemoriesScreen
from tui.screens.persona import PersonaScreen
from tui.screens.questionnaire import QuestionnaireScreen
from tui.screens.settings import SettingsScreen
from tui.screens.why import WhyScreen

OWNERS: dict[Scope, type] = {
    "prompt": ChatScreen,
    "chat": ChatScreen,
    "message": ChatScreen,
    "conversations": ConversationsScreen,
    "memories": MemoriesScreen,
    "persona": PersonaScreen,
    "questionnaire": QuestionnaireScreen,
    "why": WhyScreen,
    "settings": SettingsScreen,
    "anywhere": AttuneApp,
}


@pytest.mark.parametrize("key", [key for key in KEYS if key.bound], ids=lambda key: key.name)
def test_every_bound_key_does_something(key: Key) -> None:
    assert hasattr(OWNERS[key.scope], f"action_{key.action.removeprefix('screen.').split('(')[0]}")


def test_no_key_does_two_things_in_one_place() -> None:
    for scope in SCOPES:
        used = [key for entry in keys.KeyMap().in_scope(scope) for key in entry.keys]
        assert len(used) == len(set(used)), scope


def test_every_name_is_given_once() -> None:
    names = [key.name for key in KEYS]
    assert len(names) == len(set(names))


def test_keys_read_as_a_person_says_them() -> None:
    assert keys.shown(("ctrl+j", "alt+enter")) == "Ctrl+J, Alt+Enter"
    assert keys.short("ctrl+n") == "^N"
    assert keys.short("f3") == "F3"
    assert keys.KeyMap().first_key("memories") == "F3"


def test_the_documentation_has_the_key_map_as_it_is() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "terminal.md").read_text(encoding="utf-8")
    assert keys.table() in page


async def test_a_persons_own_keys_win_and_are_shown(backend: ScriptedBackend, launch: Launch) -> None:
    (launch.home / "keys.toml").write_text('[anywhere]\nmemories = "ctrl+y"\n[chat]\nnew = ["f12"]\n', encoding="utf-8")
    async with driven(launch) as chat:
        await chat.say("one")
        assert "Ctrl+Y" in chat.app.key_map.first_key("memories")
        await chat.pilot.press("f3")
        assert isinstance(chat.app.screen, ChatScreen)
        await chat.pilot.press("f12")
        await chat.until(lambda: chat.seen == ["Welcome"], "the new conversation")
        await chat.pilot.press("f1")
        await chat.shows(HelpScreen)
        assert "F12" in chat.line(".key")


async def test_a_persons_own_key_wins_over_editing_with_it(backend: ScriptedBackend, launch: Launch) -> None:
    (launch.home / "keys.toml").write_text('[chat]\nnew = ["ctrl+k", "f12"]\n', encoding="utf-8")
    async with driven(launch) as chat:
        await chat.say("one")
        await chat.pilot.press("ctrl+k")
        await chat.until(lambda: chat.seen == ["Welcome"], "the new conversation")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("nonsense", "cannot be read"),
        ('[chat]\nfly = "f3"\n', "chat.fly"),
        ("[chat]\nnew = 3\n", "a key or a list of keys"),
        ('[chat]\nnew = "f7"\n', "f7 would do both"),
        ('[prompt]\nsend = "f3"\n', "prompt.send"),
    ],
)
def test_a_file_that_cannot_be_used_changes_nothing_and_says_so(tmp_path: Path, file: str, words: str) -> None:
    (tmp_path / "keys.toml").write_text(file, encoding="utf-8")
    found = keys.KeyMap.load(tmp_path)
    assert words in found.problem
    assert found.keys == KEYS


async def test_a_wrong_file_is_named_when_the_app_starts(backend: ScriptedBackend, launch: Launch) -> None:
    (launch.home / "keys.toml").write_text("nonsense", encoding="utf-8")
    async with driven(launch) as chat:
        await chat.until(lambda: any("keys.toml" in toast for toast in chat.toasts), "the warning")
