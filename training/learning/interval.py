"""The mean over people with its 95 % interval, by a bootstrap that draws whole people. Pure; the seed is fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.evaluation.pairs import estimate

_DRAWS = 10_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and where it lies."""

    mean: float
    low: float
    high: float
    people: int

    def __str__(self) -> str:
        """Return it as a table shows it."""
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def interval(values: Sequence[float], seed: int = 0) -> Interval:
    """Return the interval of one value for each person.

    Raises:
        ValueError: nobody was measured.
    """
    found = estimate(values, [str(place) for place in range(len(values))], seed, _DRAWS)
    if found is None:
        raise ValueError("nobody was measured")
    return Interval(found.mean, found.low, found.high, found.people)
