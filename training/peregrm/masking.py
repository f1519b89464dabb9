"""Which rollouts of a batch may move the policy, and when too many may not.

An unscored rollout leaves the batch: no advantage, no gradient, no KL term. So does the only scored one of a group,
which GRPO would otherwise compare with nought. Nothing is put in a score's place. Everything is counted, and when the
share of unscored rollouts among the newest exceeds the limit, the run stops with a sentence that says so.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from training.errors import TrainingError

SMALLEST_GROUP = 2


class TooManyUnscoredError(TrainingError):
    """The judge fails so often that the run would be trained on what is left over."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One rollout as it lies in a batch."""

    key: str
    group: str
    """The prompt that it answers."""
    measured: Mapping[str, float]
    """What the reward returned; empty when it failed altogether."""

    @property
    def is_scored(self) -> bool:
        """Whether there is a score to learn from."""
        return not self.measured.get("unscored", 1.0) and math.isfinite(self.measured.get("score", math.nan))


@dataclass(frozen=True, slots=True)
class Kept:
    """What remains of a batch."""

    keys: tuple[str, ...]
    dropped: tuple[str, ...]
    unscored: int
    alone: int
    """Scored, but with nothing to be compared with."""


def keep(rollouts: Sequence[Rollout], *, smallest_group: int = SMALLEST_GROUP) -> Kept:
    """Divide a batch into what may move the policy and what may not."""
    sizes = Counter(rollout.group for rollout in rollouts if rollout.is_scored)
    scored = [rollout for rollout in rollouts if rollout.is_scored]
    kept = [rollout for rollout in scored if sizes[rollout.group] >= smallest_group]
    keys = {rollout.key for rollout in kept}
    dropped = tuple(rollout.key for rollout in rollouts if rollout.key not in keys)
    return Kept(tuple(rollout.key for rollout in kept), dropped, len(rollouts) - len(scored), len(scored) - len(kept))


class Watch:
    """The share of unscored rollouts among the newest ones."""

    def __init__(self, limit: float, window: int) -> None:
        self._limit = limit
        self._newest: deque[bool] = deque(maxlen=window)

    @property
    def share(self) -> float:
        """Between 0 and 1; nought before there is any."""
        return sum(self._newest) / len(self._newest) if self._newest else 0.0

    def see(self, rollouts: Iterable[Rollout]) -> None:
        """Take in a batch.

        Raises:
            TooManyUnscoredError: the share exceeds the limit.
        """
        self._newest.extend(not rollout.is_scored for rollout in rollouts)
        if self.share > self._limit:
            raise TooManyUnscoredError(
                f"{sum(self._newest)} of the newest {len(self._newest)} rollouts are unscored, more than"
                f" limits.max_unscored = {self._limit:g}: the judge fails; the reward workers' log says why (look for"
                " 'is unscored'). Repair the judge's server and resume from the last checkpoint"
            )


def figures(rollouts: Sequence[Rollout], kept: Kept, share: float) -> dict[str, float]:
    """Return what a step's log says about its judging: counts, and means over the scored rollouts."""
    scored = [rollout.measured for rollout in rollouts if rollout.is_scored]
    names = sorted({name for measured in scored for name in measured} - {"unscored"})
    means = {
        f"judge/{name}/mean": sum(measured[name] for measured in scored) / len(scored)
        for name in names
        if all(name in measured for measured in scored)
    }
    return {
        "judge/rollouts_total": float(len(rollouts)),
        "judge/unscored_total": float(kept.unscored),
        "judge/alone_total": float(kept.alone),
        "judge/unscored_share": share,
        **means,
    }
