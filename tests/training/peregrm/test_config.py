from __future__ import annotations

from pathlib import Path

import pytest

from training.errors import InputFileError
from training.peregrm.config import load_judge_config

SHIPPED = Path(__file__).parents[3] / "configs/judge.toml"


def test_the_shipped_judge_loads_and_names_its_command() -> None:
    config = load_judge_config(SHIPPED)
    assert (config.mode, config.rounds, config.penalty, config.endpoint.temperature) == ("shared", 4, 0.5, 0.3)
    assert "Use with: attune-train judge-check" in SHIPPED.read_text(encoding="utf-8").split("\n\n")[0]


def test_an_unknown_key_a_broken_and_a_missing_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "judge.toml"
    path.write_text("[endpoint]\nmodel = 'm'\n[limits]\nmax_unscord = 0.1\n", encoding="utf-8")
    with pytest.raises(InputFileError, match=r"judge\.toml.*limits\.max_unscord"):
        load_judge_config(path)
    path.write_text("[endpoint", encoding="utf-8")
    with pytest.raises(InputFileError, match="no TOML"):
        load_judge_config(path)
    with pytest.raises(InputFileError, match=r"gone\.toml"):
        load_judge_config(tmp_path / "gone.toml")
