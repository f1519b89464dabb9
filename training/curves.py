"""Plots of a training run from its steps: reward, its dimensions, KL, length, unscored, seconds; one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.steps import Step

PANELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("reward", ("critic/score/mean", "critic/score/max", "critic/score/min")),
    ("dimensions", ("resonation", "expression", "reception", "bystander")),
    ("KL to the base model", ("actor/kl_loss",)),
    ("length in tokens", ("response_length/mean", "response_length/max")),
    ("unscored share", ("unscored",)),
    ("seconds a step", ("timing_s/step", "timing_s/gen", "timing_s/update_actor", "judge_seconds")),
)
"""Each panel with the figures it shows, those that a run has."""


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
                axes.plot(*zip(*points, strict=True), label=name.removeprefix("timing_s/"), marker=".", markersize=3)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step", fontsize=8)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=7)
        else:
            axes.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axes.transAxes, color="gray")
    figure.savefig(path, dpi=120)
