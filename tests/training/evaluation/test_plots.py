from pathlib import Path
from typing import Any

from training.evaluation.plots import plot

AVERAGE = {"mean": 3.0, "low": 2.5, "high": 3.5}
ONE: dict[str, Any] = {
    "policy": "a",
    "split": "test",
    "judge": "j",
    "questions": 2,
    "rounds": 1,
    "rulers": "written",
    "means": {"average": AVERAGE},
    "without_dimension": {"resonation": AVERAGE, "expression": AVERAGE, "reception": AVERAGE},
    "groups": {"openness=high": AVERAGE, "openness=low": None},
    "cost": {"prompt_tokens": 100, "completion_tokens": 20},
}


def test_a_result_without_a_score_does_not_keep_the_pictures_from_being_drawn(tmp_path: Path) -> None:
    unscored = {**ONE, "policy": "b", "means": {"average": None}}
    people = {**ONE, "judge": "k", "rounds": 4, "rulers": "people"}
    for results in ([ONE, unscored, people], [unscored]):
        files = plot({"results": results}, tmp_path)
        assert [path.name for path in files] == ["results.png", "groups.png", "ablations.png"]
        assert all(path.read_bytes().startswith(b"\x89PNG") for path in files)
