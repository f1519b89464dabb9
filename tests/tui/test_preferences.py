from __future__ import annotations

from pathlib import Path

import pytest

from tui.preferences import FILE, Preferences


def test_choices_are_kept(tmp_path: Path) -> None:
    chosen = Preferences(theme="light", enter_sends=False)
    chosen.save(tmp_path / "new home")
    assert Preferences.load(tmp_path / "new home") == chosen


@pytest.mark.parametrize("kept", ["", "{", "[]", "null", '{"theme": "pink", "enter_sends": 3}'])
def test_what_cannot_be_read_is_the_default(tmp_path: Path, kept: str) -> None:
    (tmp_path / FILE).write_text(kept, encoding="utf-8")
    assert Preferences.load(tmp_path) == Preferences()
