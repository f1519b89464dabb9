"""When each rollout was written and judged: whether judging hides behind writing, as a table and a plot.

The reward notes one line for each rollout, from whatever process it runs in. A rollout is judged as soon as it is
written, so judging that began before the last rollout of its step was written cost no time of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training.steps import Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TIMELINE_VARIABLE = "ATTUNE_TIMELINE"
"""Names the file for verl's processes; without it nothing is noted."""
_PAPER_DIMENSIONS = 3


@dataclass(frozen=True, slots=True)
class Judged:
    """One rollout."""

    step: int
    written_at: float
    """Seconds since the epoch; judging begins here."""
    judged_at: float
    calls: int

    @property
    def seconds(self) -> float:
        """How long judging took."""
        return self.judged_at - self.written_at


@dataclass(frozen=True, slots=True)
class Overlap:
    """What judging cost in one step."""

    step: int
    rollouts: int
    calls: int
    seconds: float
    """Of judging, summed over the rollouts."""
    hidden: float
    """The part of these that passed while other rollouts of the step were still being written."""
    alone: float
    """Seconds from the last rollout written to the last one judged: what the step waited for the judge."""


def note(judged: Judged) -> None:
    """Add a line to the file, if there is one; lines of several processes do not mix."""
    path = os.environ.get(TIMELINE_VARIABLE)
    if path:
        line = (json.dumps(asdict(judged)) + "\n").encode()
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)


def read_timeline(path: Path) -> list[Judged]:
    """Return what was noted, nothing where there is no file; a line cut short by a crash is left out."""
    if not path.exists():
        return []
    return [Judged(**json.loads(line)) for line in path.read_bytes().split(b"\n")[:-1]]


def overlaps(judged: Sequence[Judged]) -> list[Overlap]:
    """Return each step's cost, in order; of a step that was done twice the whole."""
    found = []
    for number in sorted({one.step for one in judged}):
        mine = [one for one in judged if one.step == number]
        last = max(one.written_at for one in mine)
        hidden = sum(max(0.0, min(one.judged_at, last) - one.written_at) for one in mine)
        alone = max(one.judged_at for one in mine) - last
        calls, seconds = sum(one.calls for one in mine), sum(one.seconds for one in mine)
        found.append(Overlap(number, len(mine), calls, seconds, hidden, alone))
    return found


def table(judged: Sequence[Judged], steps: Sequence[Step], rounds: int) -> str:
    """Return seconds and calls of each step in Markdown, beside what the paper's pattern would ask."""
    of = {step.number: step for step in steps}
    lines = [
        "| step | seconds | writing and judging | waiting for the judge alone | judging, summed | of it hidden | calls "
        "| the paper's |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in overlaps(judged):
        whole, writing = (_seconds(of.get(one.step), name) for name in ("timing_s/step", "timing_s/gen"))
        paper = one.rollouts * (_PAPER_DIMENSIONS * rounds + 1)
        share = one.hidden / one.seconds if one.seconds else 0.0
        lines.append(
            f"| {one.step} | {whole} | {writing} | {one.alone:.2f} | {one.seconds:.2f} | {share:.0%} | {one.calls} "
            f"| {paper} |"
        )
    return "\n".join(lines)


def plot(judged: Sequence[Judged], steps: Sequence[Step], path: Path) -> None:
    """Draw the rollouts of the last step.

    Raises:
        ValueError: there is nothing to draw.
    """
    if not judged:
        raise ValueError("no rollout to draw")
    from matplotlib.figure import Figure

    number = max(one.step for one in judged)
    mine = [one for one in judged if one.step == number]
    figure = Figure(figsize=(9, max(2.0, 0.25 * len(mine) + 1)), layout="constrained")
    axes = figure.subplots()
    draw(axes, mine, next((step for step in steps if step.number == number), None))
    axes.set_xlabel(f"seconds of step {number}")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


def draw(axes: Axes, judged: Sequence[Judged], step: Step | None) -> None:
    """Draw each rollout of one step as a bar: grey while it was written, blue while it was judged."""
    mine = sorted(judged, key=lambda one: one.written_at)
    writing = None if step is None else step.get("timing_s/gen")
    end = max(one.judged_at for one in mine)
    begin = min(mine[0].written_at, end - (writing or 0.0))
    rows = range(len(mine))
    starts = [one.written_at - begin for one in mine]
    axes.barh(rows, starts, color="0.8", label="written")
    axes.barh(rows, [one.seconds for one in mine], left=starts, color="tab:blue", label="judged")
    axes.axvline(starts[-1], color="0.4", linestyle=":", label="the last one is written")
    axes.set_ylabel("rollout")
    axes.invert_yaxis()


def _seconds(step: Step | None, name: str) -> str:
    value = None if step is None else step.get(name)
    return "not measured" if value is None else f"{value:.2f}"
