from __future__ import annotations

from pathlib import Path

import pytest

from tui import keys
from tui.app import AttuneApp
from tui.screens.chat import ChatScreen
from tui.screens.memories import MemoriesScreen
from tui.widgets.prompt import Prompt

OWNERS: dict[keys.Scope, type] = {
    "prompt": Prompt,
    "chat": ChatScreen,
    "memories": MemoriesScreen,
    "anywhere": AttuneApp,
}


@pytest.mark.parametrize("key", [key for key in keys.KEYS if key.bound], ids=lambda key: key.action)
def test_every_bound_key_does_something(key: keys.Key) -> None:
    owner = ChatScreen if key.action.startswith("screen.") or key.action == "swap_enter" else OWNERS[key.scope]
    assert hasattr(owner, f"action_{key.action.removeprefix('screen.')}")


def test_no_key_does_two_things_in_one_place() -> None:
    for scope in keys.SCOPES:
        used = [key for entry in keys.in_scope(scope) for key in entry.keys]
        assert len(used) == len(set(used))


def test_keys_read_as_a_person_says_them() -> None:
    assert keys.shown(("ctrl+j", "alt+enter")) == "Ctrl+J, Alt+Enter"
    assert keys.short("ctrl+n") == "^N"
    assert keys.short("f3") == "F3"
    assert keys.first_key("memories") == "F3"


def test_the_documentation_has_the_key_map_as_it_is() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "terminal.md").read_text(encoding="utf-8")
    assert keys.table() in page
