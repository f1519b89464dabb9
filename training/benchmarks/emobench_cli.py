"""`attune-train bench emobench`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import typer

from training.progress import Progress


def bench_emobench(
    data: Annotated[
        Path, typer.Option("--data", help="Where `attune-train data fetch emobench` put EU.jsonl and EA.jsonl.")
    ],
    config: Annotated[Path, typer.Option("--config", help="An evaluation's file; it names the policies.")] = Path(
        "configs/evaluate.toml"
    ),
    policy: Annotated[str | None, typer.Option("--policy", help="One of its policies; all otherwise.")] = None,
    language: Annotated[Literal["en", "zh"] | None, typer.Option("--language", help="Both otherwise.")] = None,
    task: Annotated[Literal["EU", "EA"] | None, typer.Option("--task", help="Both otherwise.")] = None,
    cache: Annotated[Path | None, typer.Option("--cache", help="Answers are kept here.")] = None,
) -> None:
    """Count right answers of EmoBench: greedy, options in a permuted order, calls that fail in no mean."""
    from training.benchmarks.emobench import read_items, run_emobench
    from training.errors import ConfigError, TrainingError
    from training.evaluation.config import load_evaluate_config

    try:
        settings = load_evaluate_config(config)
        if policy is not None and policy not in settings.policies:
            raise ConfigError(f"{config} has no policy {policy!r}; it has {', '.join(settings.policies)}")
        data = data / "data" if (data / "data").is_dir() else data
        for name in [policy] if policy else settings.policies:
            for which in (task,) if task else ("EU", "EA"):
                items = read_items(data / f"{which}.jsonl", which, lambda said: typer.echo(said, err=True), language)
                endpoint = settings.policies[name].endpoint
                found = asyncio.run(run_emobench(items, endpoint, cache, settings.seed, Progress(f"{name} {which}")))
                shown = "not measured" if found.accuracy is None else f"{100 * found.accuracy:.1f} %"
                typer.echo(f"{name} {which}: {shown} of {found.answered}, {found.unanswered} unanswered")
    except TrainingError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
