"""How far two judges agree: Krippendorff's alpha over their scores, Spearman's rank correlation over the rewards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Agreement:
    """Between the judge and the second judge."""

    alpha: float
    """Krippendorff's, ordinal, over single scores; 1 is perfect, 0 is chance. NaN where it is not defined."""
    spearman: float
    """Over the rewards. NaN where one of the judges gave a single value."""
    pairs: int
    """Scores that both gave."""


def agreement(scores: Sequence[tuple[float, float]], rewards: Sequence[tuple[float, float]]) -> Agreement:
    """Measure agreement on pairs of scores and pairs of rewards of the same replies."""
    import krippendorff
    import numpy as np
    from scipy.stats import spearmanr

    ranks = np.array(rewards, dtype=float).reshape(-1, 2)
    varied = len(ranks) > 1 and all(len(set(column)) > 1 for column in ranks.T)
    spearman = float(spearmanr(ranks[:, 0], ranks[:, 1]).statistic) if varied else math.nan
    found = {score for pair in scores for score in pair}
    alpha = (
        float(krippendorff.alpha(np.array(scores, dtype=float).T, level_of_measurement="ordinal"))
        if len(found) > 1
        else math.nan
    )
    return Agreement(alpha, spearman, len(scores))
