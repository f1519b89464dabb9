"""Every file in configs/ loads, and says what it is and how it is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.config import AssistantConfig, load_config
from assistant.errors import ConfigError

CONFIGS = Path(__file__).parent.parent / "configs"


OF_TRAINING = {"dataset.toml", "evaluate.toml", "judge.toml", "retrain.toml"}
"""Loaded by the tests of training, each with a type of its own."""


@pytest.mark.parametrize(
    "path",
    sorted(path for path in CONFIGS.glob("*.toml") if path.name not in OF_TRAINING),
    ids=lambda path: path.name,
)
def test_every_config_loads_and_names_its_command(path: Path) -> None:
    load_config(path)
    assert "Use with: attune" in path.read_text(encoding="utf-8").split("\n\n")[0]


def test_the_default_config_is_the_defaults() -> None:
    assert load_config(CONFIGS / "attune.toml") == AssistantConfig()


def test_an_unknown_key_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[policy]\nbase_ulr = 'http://x'\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.toml.*policy\.base_ulr.*did you mean 'base_url'\?"):
        load_config(path)
    path.write_text("serverr = 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="did you mean 'server'"):
        load_config(path)
    path.write_text("[memory.recall]\nqqq = 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="known keys here: deadline_ms"):
        load_config(path)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml"):
        load_config(tmp_path / "gone.toml")
    (tmp_path / "broken.toml").write_bytes(b"= \xff")
    with pytest.raises(ConfigError, match=r"broken\.toml"):
        load_config(tmp_path / "broken.toml")


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_POLICY__BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("ATTUNE_POLICY__API_KEY", "hidden")
    config = load_config(CONFIGS / "vllm.toml")
    assert config.policy.base_url == "http://127.0.0.1:9/v1"
    assert config.policy.engine == "openai_compatible"
    assert "hidden" not in repr(config)
