from __future__ import annotations

from pathlib import Path

import pytest

from assistant.errors import ConfigError
from assistant.models.choice import choose, chosen


def test_a_choice_is_remembered_replaced_and_taken_back(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert chosen(home) is None
    for name in ("ollama/llama3.2:3b", "local/Qwen/Qwen3-0.6B", "builtin"):
        choose(home, name)
        assert chosen(home) == name
    choose(home, None)
    choose(home, None)
    assert chosen(home) is None
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("name", ["", 'a"b', "a\nb", "ä", "x" * 201])
def test_a_name_no_model_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        choose(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"use = ", b"use = 3", b'use = "a b"', b"\xff"])
def test_a_damaged_choice_is_named_and_never_guessed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "models.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"models\.toml.*delete it and choose again"):
        chosen(tmp_path)
