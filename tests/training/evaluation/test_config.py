from pathlib import Path

import pytest

from training.errors import ConfigError
from training.evaluation.config import load_evaluate_config

SHIPPED = Path(__file__).parents[3] / "configs/evaluate.toml"


def test_the_evaluation_of_the_project_is_read_and_names_its_command() -> None:
    load_evaluate_config(SHIPPED)
    assert "attune-train evaluate" in SHIPPED.read_text(encoding="utf-8")


def test_an_unknown_key_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "evaluate.toml"
    path.write_text(f"polices = 1\n{SHIPPED.read_text(encoding='utf-8')}", encoding="utf-8")
    with pytest.raises(ConfigError, match="polices"):
        load_evaluate_config(path)
