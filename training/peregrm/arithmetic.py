"""From scores to a reward: the paper's formulas and nothing else.

R_d is the mean over the rounds of min(score / top of the scale, 1). R_emp is their harmonic mean, nought where one is
nought. With a bystander, R = R_emp + λ · (min(sum / 100, 1) − 1): it can only lower (arXiv 2606.00728, section on the
reward; λ = 0.5 in the released code). Pure numbers in, pure numbers out; an unscored reply never comes here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.peregrm.rubric import Combine

BYSTANDER_TOP = 100.0
"""Five scores of at most twenty."""


@dataclass(frozen=True, slots=True)
class Reward:
    """What one reply earns."""

    value: float
    empathy: float
    """The dimensions combined, before the bystander."""
    penalty: float
    """At most nought; not yet multiplied by λ."""
    dimensions: Mapping[str, float]
    """Between 0 and 1 each."""


def share(scores: Sequence[float], top: float) -> float:
    """Return the mean over rounds of each score's share of `top`, one at most.

    Raises:
        ValueError: there is no score.
    """
    if not scores:
        raise ValueError("no score to average; an unscored dimension must not reach the arithmetic")
    return sum(min(score / top, 1.0) for score in scores) / len(scores)


def harmonic(values: Sequence[float]) -> float:
    """Return the harmonic mean; nought when any value is nought or less."""
    if any(value <= 0 for value in values):
        return 0.0
    return len(values) / sum(1 / value for value in values)


def reward(
    rounds: Mapping[str, Sequence[float]],
    tops: Mapping[str, float],
    bystander: Sequence[float] | None,
    *,
    combine: Combine,
    penalty: float,
) -> Reward:
    """Return the reward of each dimension's scores; `penalty` is λ, `tops` the upper end of each scale."""
    dimensions = {name: share(scores, tops[name]) for name, scores in rounds.items()}
    values = list(dimensions.values())
    empathy = harmonic(values) if combine == "harmonic" else sum(values)
    lost = 0.0 if bystander is None else min(sum(bystander) / BYSTANDER_TOP, 1.0) - 1.0
    return Reward(empathy + penalty * lost, empathy, lost, dimensions)
