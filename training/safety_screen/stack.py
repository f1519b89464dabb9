"""How the linear part and the encoder are weighed together: a small logistic regression for each group of languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from assistant.safety.learned import STACKS, stacked

Floats = NDArray[np.float64]
_STEPS = 50
_RIDGE = 1e-3
"""Keeps the weights finite where the lines can be told apart without a mistake."""


def stack(
    linear: Floats, read: Floats, groups: Sequence[str], risky: NDArray[np.bool_], counts: Floats
) -> dict[str, list[float]]:
    """Return the weights of each group: of the linear score, of the encoder's, and the bias; both sides weigh the same.

    A group of one side only gets the weights of all lines.
    """
    names = np.array(groups)
    features = np.column_stack([linear, read, np.ones(len(linear))])
    found: dict[str, list[float]] = {}
    for name in STACKS:
        chosen = names == name
        if len(set(risky[chosen].tolist())) < 2:
            chosen = np.ones(len(names), bool)
        found[name] = [round(float(one), 5) for one in _logistic(features[chosen], risky[chosen], counts[chosen])]
    return found


def combined(
    weights: Mapping[str, Sequence[float]], linear: Floats, read: Floats, groups: Sequence[str], margins: Floats
) -> Floats:
    """Return the score of each line, as the screen computes it."""
    parts = zip(groups, linear, read, margins, strict=True)
    return np.array([stacked(weights[group], one, other, margin) for group, one, other, margin in parts])


def _logistic(features: Floats, risky: NDArray[np.bool_], counts: Floats) -> Floats:
    """Fit by Newton's method."""
    balance = np.where(risky, 0.5 / np.mean(risky), 0.5 / np.mean(~risky)) * counts / len(risky)
    weights = np.zeros(features.shape[1])
    keep = np.diag([_RIDGE] * (features.shape[1] - 1) + [0.0])
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(features @ weights, -30, 30)))
        slope = features.T @ (balance * (likely - risky)) + keep @ weights
        curve = (
            (features * (balance * likely * (1 - likely))[:, None]).T @ features + keep + 1e-9 * np.eye(len(weights))
        )
        step = np.linalg.solve(curve, slope)
        weights = weights - step
        if np.abs(step).max() < 1e-8:
            break
    return weights
