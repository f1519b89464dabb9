"""`attune-train grpo`; training/cli.py hangs it into the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.steps import Step

SHOWN = (
    ("reward", "critic/score/mean"),
    ("res", "judge/resonation/mean"),
    ("exp", "judge/expression/mean"),
    ("rec", "judge/reception/mean"),
    ("bys", "judge/bystander/mean"),
    ("kl", "actor/kl_loss"),
    ("length", "response_length/mean"),
    ("unscored", "judge/unscored_share"),
    ("judge s", "judge/judge_seconds/mean"),
)
"""What the line of a step shows, of that which was measured."""


def grpo(
    config: Annotated[Path, typer.Option("--config", help="A run's file, such as configs/grpo.yaml.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and print verl's command; take no GPU.")
    ] = False,
) -> None:
    """Train a policy with GRPO on a data set, judged by PereGRM.

    Before anything heavy starts, the whole configuration is checked: keys, files, rows, prompt lengths, the judge, the
    memory; whatever is wrong is said with its repair. A run that was cut off goes on from its newest checkpoint when it
    is started again. It stops by itself when too many replies are unscored or the style of the replies runs away.

    Example: attune-train grpo --config configs/grpo-lora-1gpu.yaml
    """
    from training.curves import plot
    from training.errors import TrainingError
    from training.grpo import TIMELINE, command, train
    from training.grpo_config import load_grpo_config
    from training.peregrm.config import load_judge_config
    from training.preflight import check
    from training.rehearsal import rehearse
    from training.steps import read_steps
    from training.timeline import plot as plot_timeline
    from training.timeline import read_timeline, table

    try:
        loaded = load_grpo_config(config)
        if dry_run:
            raise rehearse(check(loaded), command(loaded))
        run = train(loaded, _say)
        picture, steps = loaded.attune.out / "curves.png", read_steps(loaded.attune.out.absolute())
        plot(steps, picture)
        if judged := read_timeline(loaded.attune.out / TIMELINE):
            rounds = load_judge_config(loaded.attune.judge).rounds
            (loaded.attune.out / "cost.md").write_text(table(judged, steps, rounds) + "\n", encoding="utf-8")
            plot_timeline(judged, steps, loaded.attune.out / "timeline.png")
    except TrainingError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{run.steps} steps in {run.seconds:.0f} s; weights {run.weights}; curves {picture}")


def _say(step: Step, total: int | None, seconds: float) -> None:
    figures = [f"{name} {value:.3g}" for name, key in SHOWN if (value := step.get(key)) is not None]
    took = step.get("timing_s/step")
    if took is not None:
        figures.append(f"{took:.1f} s")
    of = f"/{total}" if total else ""
    left = f", {(total - step.number) * took:.0f} s left" if total and took else f", {seconds:.0f} s so far"
    typer.echo(f"step {step.number}{of}: " + ", ".join(figures) + left, err=True)
