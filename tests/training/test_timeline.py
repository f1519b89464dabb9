from __future__ import annotations

import math
from pathlib import Path

import pytest

from training.steps import Step
from training.timeline import TIMELINE_VARIABLE, Judged, note, overlaps, plot, read_timeline, table

FIRST = [Judged(1, 10.0, 12.0, 4), Judged(1, 11.0, 13.0, 4), Judged(1, 14.0, 16.0, 5)]
"""The first two were judged before the third was written; for the third the step waited."""


def test_what_passes_while_others_are_written_is_hidden() -> None:
    [one] = overlaps(FIRST)
    assert (one.rollouts, one.calls, one.seconds, one.hidden, one.alone) == (3, 13, 6.0, 4.0, 2.0)


def test_rollouts_that_are_written_at_once_hide_nothing() -> None:
    [one] = overlaps([Judged(1, 10.0, 12.0, 4), Judged(1, 10.0, 13.0, 4)])
    assert (one.hidden, one.alone) == (0.0, 3.0)


def test_steps_are_told_apart_beside_the_papers_calls() -> None:
    steps = [Step(1, {"timing_s/step": 9.0, "timing_s/gen": 6.5}), Step(2, {})]
    lines = table([*FIRST, Judged(2, 20.0, 21.0, 2)], steps, rounds=4).splitlines()[2:]
    assert lines[0] == "| 1 | 9.00 | 6.50 | 2.00 | 6.00 | 67% | 13 | 39 |"
    assert lines[1] == "| 2 | not measured | not measured | 1.00 | 1.00 | 0% | 2 | 13 |"


def test_what_is_noted_is_read_and_a_line_cut_short_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "timeline.jsonl"
    assert read_timeline(path) == []
    note(FIRST[0])
    assert not path.exists(), "nobody asked for it"
    monkeypatch.setenv(TIMELINE_VARIABLE, str(path))
    for one in FIRST:
        note(one)
    with path.open("ab") as file:
        file.write(b'{"step": 1, "writ')
    assert read_timeline(path) == FIRST


def test_the_last_step_is_drawn(tmp_path: Path) -> None:
    plot(FIRST, [Step(1, {"timing_s/gen": 6.5, "x": math.nan})], tmp_path / "timeline.png")
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no rollout"):
        plot([], [], tmp_path / "none.png")
