"""`attune-train evaluate`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from training.progress import Progress


def evaluate(
    config: Annotated[Path, typer.Option("--config", help="The evaluation's file.")] = Path("configs/evaluate.toml"),
) -> None:
    """Measure policies on held-out people, by judges under criteria that another model or people wrote beforehand.

    Resonation, expression, reception and their average on 1-5, paired differences with intervals over people, by
    category and trait level, and what the replies cost. A reply without a score is counted and in no mean. Run it
    again after an interruption: what was answered is not asked again. Status 2: it could not be measured.
    """
    from memory.config import EmbedderConfig, MemoryConfig
    from memory.embedder import Embedder
    from training.errors import TrainingError
    from training.evaluate import run_evaluation
    from training.evaluation.config import load_evaluate_config
    from training.evaluation.plots import plot
    from training.evaluation.tables import page, write

    try:
        settings = load_evaluate_config(config)
        embedder = Embedder(EmbedderConfig(), MemoryConfig().home / "models")
        report = asyncio.run(run_evaluation(settings, embedder, Progress))
        files = [*write(report, settings), *plot(report, settings.out)]
    except TrainingError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(page(report))
    for path in files:
        typer.echo(f"wrote {path}", err=True)
