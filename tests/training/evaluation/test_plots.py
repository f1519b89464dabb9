from pathlib import Path

from training.evaluation.plots import plot


def test_a_result_without_a_score_does_not_keep_the_picture_from_being_drawn(tmp_path: Path) -> None:
    average = {"mean": 3.0, "low": 2.5, "high": 3.5}
    cost = {"prompt_tokens": 100, "completion_tokens": 20}
    one = {"policy": "a", "split": "test", "judge": "j", "questions": 2, "means": {"average": average}, "cost": cost}
    plot({"results": [one, {**one, "means": {"average": None}}]}, tmp_path / "results.png")
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")
