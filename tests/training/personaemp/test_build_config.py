from __future__ import annotations

from pathlib import Path

import pytest

from training.errors import DatasetError
from training.personaemp.build_config import BuildConfig, load_build_config

CONFIG = Path(__file__).parents[3] / "configs" / "dataset.toml"


def test_the_shipped_configuration_loads_and_names_its_command() -> None:
    assert isinstance(load_build_config(CONFIG), BuildConfig)
    assert "attune-train data build --config configs/dataset.toml" in CONFIG.read_text(encoding="utf-8")


def test_what_is_commented_out_loads_too(tmp_path: Path) -> None:
    lines = CONFIG.read_text(encoding="utf-8").splitlines()
    assignments = [line.removeprefix("# ") if line.startswith("# ") and " = " in line else line for line in lines]
    path = tmp_path / "dataset.toml"
    path.write_text("\n".join(assignments), encoding="utf-8")
    assert load_build_config(path).sources.base_per_own == 3.0


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[builder]\nmodell = 'x'\n", r"builder\.modell"),
        ("out = 'x'\n[sources]\nledger = true\n[builder]\nmodel = 'x'\nconcurency = 3\n", "builder.concurency"),
        ("out = 'x'\n[sources]\n[builder]\nmodel = 'x'\n", "no source"),
        ("= 3", "no TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(DatasetError, match=named):
        load_build_config(path)
    with pytest.raises(DatasetError, match=r"gone\.toml cannot be read .*give the path"):
        load_build_config(tmp_path / "gone.toml")
