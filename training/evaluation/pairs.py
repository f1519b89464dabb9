"""Means and paired differences with bootstrap intervals that draw whole people; pure, and the seed is fixed.

The questions of one person are not independent, so the person is what is drawn. A missing score (None) leaves its pair
out and is counted; it is never a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

_DRAWS = 4000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over questions and where it lies with 95 % confidence."""

    mean: float
    low: float
    high: float
    scored: int
    people: int
    unscored: int = 0
    """Questions left out because there is no score."""


def estimate(
    values: Sequence[float | None], people: Sequence[str], seed: int = 0, draws: int = _DRAWS
) -> Estimate | None:
    """Return the mean of what was scored; None where nothing was."""
    kept = [(value, person) for value, person in zip(values, people, strict=True) if value is not None]
    if not kept:
        return None
    names = {person: place for place, person in enumerate(dict.fromkeys(person for _, person in kept))}
    place = np.array([names[person] for _, person in kept])
    numbers = np.array([value for value, _ in kept], dtype=np.float64)
    sums, counts = np.bincount(place, numbers), np.bincount(place)
    drawn = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    mean = float(numbers.mean())
    low, high = (float(end) for end in np.quantile(means, [0.025, 0.975]))
    return Estimate(mean, min(low, mean), max(high, mean), len(kept), len(names), len(values) - len(kept))


def paired(
    candidate: Mapping[str, float | None],
    baseline: Mapping[str, float | None],
    person_of: Mapping[str, str],
    seed: int = 0,
    draws: int = _DRAWS,
) -> Estimate | None:
    """Return candidate less baseline over the questions of `person_of`; both need a score."""
    values: list[float | None] = []
    for question in person_of:
        mine, theirs = candidate.get(question), baseline.get(question)
        values.append(None if mine is None or theirs is None else mine - theirs)
    return estimate(values, list(person_of.values()), seed, draws)
