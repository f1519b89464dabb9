"""`attune-train sft`; training/cli.py hangs it into the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.steps import Step


def sft(
    config: Annotated[Path, typer.Option("--config", help="A run's file, such as configs/sft.yaml.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and print verl's command; take no GPU.")
    ] = False,
) -> None:
    """Train the supervised baseline: the replies of a strong model to the same prompts, by verl's own trainer.

    The teacher that the file names writes a reply to each row first; replies are kept, and rows without one are left
    out and counted. The result is registered and evaluated as any policy is.

    Example: attune-train sft --config configs/sft.yaml --dry-run
    """
    from memory.config import EmbedderConfig, MemoryConfig
    from memory.embedder import Embedder
    from training.errors import TrainingError
    from training.preflight import check_sft
    from training.progress import Progress
    from training.rehearsal import rehearse
    from training.sft import command, train_sft
    from training.sft_config import load_sft_config

    try:
        loaded = load_sft_config(config)
        if dry_run:
            raise rehearse(check_sft(loaded), command(loaded))
        embedder = Embedder(EmbedderConfig(), MemoryConfig().home / "models")
        run = train_sft(loaded, embedder, Progress("replies"), _say)
    except TrainingError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(
        f"{run.steps} steps on {run.replies} replies in {run.seconds:.0f} s, {run.unanswered} rows without a reply; "
        f"weights {run.weights}"
    )


def _say(step: Step) -> None:
    for name, what in (("train/loss", "loss"), ("val/loss", "loss on held-out people")):
        if (value := step.get(name)) is not None:
            typer.echo(f"step {step.number}: {what} {value:.3f}", err=True)
