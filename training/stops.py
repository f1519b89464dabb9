"""When a run is ended before its time: rewards that cannot teach, style running away. Pure.

Too many unscored replies end a run as well; the judge's own limits see to that (training.verl_sampler).
A policy that has found a hack shows it in how it writes: replies grow, bullets or questions multiply, flattery appears,
while the reward rises. Where a second judge scores the same replies and follows, that is learning; where it does not
follow, the run stops. Without a second judge a run-away style alone ends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, pstdev
from typing import TypeAlias

from training.grpo_config import StopConfig
from training.peregrm.style import STYLES

Figures: TypeAlias = Sequence[Mapping[str, float]]
"""What is known of each step, oldest first."""

STYLE = tuple(f"judge/style_{name}/mean" for name in STYLES)
"""Figures of a step: means over its replies."""
SECOND = "val-aux/personaemp/second/mean@1"
"""What a second judge makes of the validation's replies, at the steps that validate."""
_MOST, _LEAST = "critic/score/max", "critic/score/min"
_LEAST_SD = 0.1
"""Relative to the mean: a counter that hardly moves at first would make any change look enormous."""


def reason_to_stop(steps: Figures, rules: StopConfig) -> str | None:
    """Return why the run must end now, or None; `steps` are the figures so far, oldest first."""
    recent = steps[-rules.patience :]
    if len(recent) < rules.patience:
        return None
    if all(step.get(_MOST, 1.0) == step.get(_LEAST, 0.0) for step in recent):
        return (
            f"all rewards were equal in each of the last {rules.patience} steps, which teaches nothing: "
            "run `attune-train judge-check`, or raise the rollout temperature"
        )
    return _hacking(steps, recent, rules)


def _hacking(
    steps: Sequence[Mapping[str, float]], recent: Sequence[Mapping[str, float]], rules: StopConfig
) -> str | None:
    first = steps[: rules.baseline]
    if len(steps) < rules.baseline + rules.patience:
        return None
    for name in STYLE:
        before = [step[name] for step in first if name in step]
        now = [step[name] for step in recent if name in step]
        if len(before) < len(first) or len(now) < len(recent):
            continue
        width = max(pstdev(before), _LEAST_SD * abs(mean(before)), 1e-6)
        drift = (min(now, key=lambda value: abs(value - mean(before))) - mean(before)) / width
        if abs(drift) > rules.max_drift and not _followed(first, recent):
            return (
                f"{name} moved from {mean(before):.3g} to {now[-1]:.3g}, {abs(drift):.1f} of its first deviations, and "
                f"no second judge followed: read the newest replies; a hack of the judge is likely"
            )
    return None


def _followed(first: Figures, recent: Figures) -> bool:
    """Say whether a second judge saw an improvement."""
    before = [step[SECOND] for step in first if SECOND in step]
    now = [step[SECOND] for step in recent if SECOND in step]
    return bool(before and now) and mean(now) > mean(before)
