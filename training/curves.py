"""Plots of a training run from its steps: reward, its dimensions, KL, length, unscored, seconds; one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.steps import Step
from training.stops import SECOND

PANELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("reward", ("critic/score/mean", "critic/score/max", "critic/score/min", SECOND)),
    ("dimensions", ("judge/resonation/mean", "judge/expression/mean", "judge/reception/mean", "judge/bystander/mean")),
    ("KL to the base model", ("actor/kl_loss",)),
    ("length in tokens", ("response_length/mean", "response_length/max")),
    ("unscored share", ("judge/unscored_share",)),
    ("seconds a step", ("timing_s/step", "timing_s/gen", "timing_s/update_actor", "judge/judge_seconds/mean")),
)
"""Each panel with the figures it shows, those that a run has."""


_PASSED_OVER = frozenset({"actor", "critic", "judge", "mean", "personaemp", "timing_s", "val-aux"})


def plot(steps: Sequence[Step], path: Path) -> None:
    """Write the plot to `path`.

    Raises:
        ValueError: there are no steps.
    """
    if not steps:
        raise ValueError("no step to plot")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6), layout="constrained")
    for (title, names), axes in zip(PANELS, figure.subplots(2, 3).flat, strict=True):
        for name in names:
            points = [(step.number, value) for step in steps if (value := step.get(name)) is not None]
            if points:
                axes.plot(*zip(*points, strict=True), label=_short(name), marker=".", markersize=3)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step", fontsize=8)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=7)
        else:
            axes.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axes.transAxes, color="gray")
    figure.savefig(path, dpi=120)


def _short(name: str) -> str:
    """What a figure is called in a legend."""
    parts = [part for part in name.split("/") if part not in _PASSED_OVER]
    return " ".join(parts) or name
