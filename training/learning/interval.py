"""The mean over people with its 95 % interval, by a bootstrap that draws whole people. Pure; the seed is fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    import numpy as np

    if not values:
        raise ValueError("nobody was measured")
    measured = np.asarray(values, dtype=np.float64)
    draws = np.random.default_rng(seed).integers(len(measured), size=(_DRAWS, len(measured)))
    low, high = np.quantile(measured[draws].mean(axis=1), [0.025, 0.975])
    return Interval(float(measured.mean()), float(low), float(high), len(measured))
