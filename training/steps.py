"""What verl says of each training step: read from its log while it writes, and kept over interrupted attempts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

METRICS = "metrics"
"""Stem of the files: one for each attempt, because verl empties the file that it opens."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step."""

    number: int
    figures: Mapping[str, float]
    """By verl's own names, such as `critic/score/mean`."""

    def get(self, name: str) -> float | None:
        """Return a figure, None where verl did not say it."""
        return self.figures.get(name)


def next_file(out: Path) -> Path:
    """Return where the next attempt is to log."""
    return out / f"{METRICS}-{len(list(out.glob(f'{METRICS}-*.jsonl'))) + 1:03d}.jsonl"


def read_steps(out: Path) -> list[Step]:
    """Return the steps so far, in order; where attempts overlap, the later one is what the weights went through."""
    found: dict[int, Step] = {}
    for path in sorted(out.glob(f"{METRICS}-*.jsonl")):
        fresh = list(steps_of(path))
        if fresh:
            found = {number: step for number, step in found.items() if number < fresh[0].number}
        for step in fresh:
            earlier = found.get(step.number)
            # verl's supervised trainer says what validation found in a line of its own.
            found[step.number] = step if earlier is None else Step(step.number, {**earlier.figures, **step.figures})
    return [found[number] for number in sorted(found)]


def steps_of(path: Path) -> Iterator[Step]:
    """Yield the steps of one file; a last line that is still being written is left out."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n")[:-1]:
        entry = json.loads(line)
        figures = {name: float(value) for name, value in entry["data"].items() if isinstance(value, int | float)}
        yield Step(int(entry["step"]), figures)
