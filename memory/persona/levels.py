"""How a belief is shown: low, medium or high with its probability, or "not yet known".

The levels are the thirds of the population: T below 45.7, between, and above 54.3 (50 ± 0.4307 · 10). A level is shown
when its probability reaches `SHOWN_FROM`, against one third for somebody of whom nothing is known. Text alone moves a
belief by a few T points and leaves it wide, so what is shown from text is a leaning and comes with its probability;
"medium" needs a questionnaire or the person's own word, for only a narrow belief can tell the middle from the ends.
Between a level and "not yet known" there is a leaning: low or high from `LEANS_FROM`, which says no more than that the
scales are not quite even. The support plan uses the means, not these levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from memory.types import TraitEstimate

Level = Literal["low", "medium", "high"]

LOWER = 45.693
UPPER = 54.307
"""The terciles of N(50, 10²)."""

SHOWN_FROM = 0.40
"""One fifth above chance. At the validity of text (r about .2) an estimate one standard deviation out reaches it."""

LEANS_FROM = 0.35
"""One twentieth above chance, which a mean about half a T-score point from 50 reaches."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person is told about one of their traits."""

    level: Level | None
    """None: not yet known."""
    probability: float
    """Of the likeliest level, shown or not."""
    interval: tuple[float, float]
    """T-scores between which the trait lies with 90 % probability."""
    leaning: Literal["low", "high"] | None = None
    """Where no level is shown, the end of the scale that is likelier than chance."""

    @property
    def label(self) -> str:
        """`low`, `medium`, `high` or `not yet known`."""
        return self.level or "not yet known"


def probabilities(estimate: TraitEstimate) -> dict[Level, float]:
    """Return the probability of each level."""
    below = _cumulative(LOWER, estimate)
    above = 1.0 - _cumulative(UPPER, estimate)
    return {"low": below, "medium": max(0.0, 1.0 - below - above), "high": above}


def shown(estimate: TraitEstimate) -> Shown:
    """Return how `estimate` is shown; without evidence nothing is known."""
    levels = probabilities(estimate)
    likeliest = max(levels, key=lambda level: levels[level])
    known = estimate.evidence_count > 0 and levels[likeliest] >= SHOWN_FROM
    leans = estimate.evidence_count > 0 and not known and levels[likeliest] >= LEANS_FROM
    return Shown(
        likeliest if known else None,
        levels[likeliest],
        interval(estimate, 0.90),
        likeliest if leans and likeliest != "medium" else None,
    )


def interval(estimate: TraitEstimate, probability: float) -> tuple[float, float]:
    """Return the T-scores, around the mean, between which the trait lies with this probability."""
    half = NormalDist().inv_cdf(0.5 + probability / 2.0) * estimate.sd
    return estimate.mean - half, estimate.mean + half


def level_t_score(level: Level) -> float:
    """Return the T-score that stands for a level when a person names it: the middle of that third, by probability.

    One sixth, one half and five sixths of N(50, 10²): about 40.3, 50 and 59.7.
    """
    return NormalDist(50.0, 10.0).inv_cdf({"low": 1 / 6, "medium": 1 / 2, "high": 5 / 6}[level])


def tercile_labels(means: Sequence[float]) -> list[Level]:
    """Cut a population's means into thirds, for data sets that want a label for everybody.

    Equal means get equal labels, so that thirds may be uneven. These labels order people; they do not say how much is
    known of anybody.

    Raises:
        ValueError: fewer than three people have no thirds.
    """
    if len(means) < 3:
        raise ValueError(f"thirds need three people or more, not {len(means)}")
    ordered = sorted(means)
    lower, upper = ordered[len(ordered) // 3], ordered[-(len(ordered) // 3) - 1]
    return ["low" if mean < lower else "high" if mean > upper else "medium" for mean in means]


def _cumulative(t_score: float, estimate: TraitEstimate) -> float:
    return 0.5 * math.erfc((estimate.mean - t_score) / (estimate.sd * math.sqrt(2.0)))
