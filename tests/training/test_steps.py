import json
from pathlib import Path

from training.curves import plot
from training.steps import Step, next_file, read_steps


def log(path: Path, *steps: tuple[int, float]) -> None:
    lines = (json.dumps({"step": number, "data": {"critic/score/mean": score}}) + "\n" for number, score in steps)
    path.write_text("".join(lines), encoding="utf-8")


def test_a_later_attempt_replaces_the_steps_that_it_went_through_again(tmp_path: Path) -> None:
    log(next_file(tmp_path), (1, 0.1), (2, 0.2), (3, 0.3))
    log(next_file(tmp_path), (2, 0.5))
    assert [(step.number, step.get("critic/score/mean")) for step in read_steps(tmp_path)] == [(1, 0.1), (2, 0.5)]


def test_a_line_that_is_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    path = next_file(tmp_path)
    log(path, (1, 0.1))
    path.write_text(path.read_text() + '{"step": 2, "da', encoding="utf-8")
    assert [step.number for step in read_steps(tmp_path)] == [1]


def test_an_attempt_without_a_step_changes_nothing(tmp_path: Path) -> None:
    log(next_file(tmp_path), (1, 0.1))
    next_file(tmp_path).touch()
    assert len(read_steps(tmp_path)) == 1
    assert next_file(tmp_path).name == "metrics-003.jsonl"


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    log(next_file(tmp_path), (1, 0.1), (2, 0.2))
    plot(read_steps(tmp_path), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_said_of_a_step_in_two_lines_belongs_together(tmp_path: Path) -> None:
    lines = ['{"step": 1, "data": {"train/loss": 2.0}}', '{"step": 1, "data": {"val/loss": 3.0}}']
    (tmp_path / "metrics-001.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert read_steps(tmp_path) == [Step(1, {"train/loss": 2.0, "val/loss": 3.0})]
