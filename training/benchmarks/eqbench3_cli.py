"""`attune-train bench eqbench3`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from training.progress import Progress


def bench_eqbench3(
    data: Annotated[Path, typer.Option("--data", help="Where `attune-train data fetch eqbench3` put the files.")],
    config: Annotated[Path, typer.Option("--config", help="An evaluation's file; names policies and judges.")] = Path(
        "configs/evaluate.toml"
    ),
    policy: Annotated[str | None, typer.Option("--policy", help="One of its policies; all otherwise.")] = None,
    judge: Annotated[str | None, typer.Option("--judge", help="One of its judges; all otherwise.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many scenarios.")] = None,
    cache: Annotated[Path | None, typer.Option("--cache", help="Answers are kept here.")] = None,
) -> None:
    """Score role-plays, drafts and analyses by the rubric of EQ-Bench 3 (0-100; no Elo).

    A reply takes about 1,000 words: give the policy's endpoint max_tokens of 3000 or more. Scenarios with a reply or
    score missing are counted and in no mean. Status 2: it could not be measured.

    Example: attune-train bench eqbench3 --data data/eqbench3 --policy base --judge main --limit 5
    """
    from training.benchmarks.eqbench3 import read_scenarios, run_eqbench3
    from training.errors import ConfigError, TrainingError
    from training.evaluation.config import load_evaluate_config

    try:
        settings = load_evaluate_config(config)
        for noun, one, known in (("policy", policy, settings.policies), ("judge", judge, settings.judges)):
            if one is not None and one not in known:
                raise ConfigError(f"{config} has no {noun} {one!r}; it has {', '.join(known)}")
        scenarios, forms = read_scenarios(data)
        for name in [policy] if policy else settings.policies:
            for by in [judge] if judge else settings.judges:
                asked, judging = settings.policies[name].endpoint, settings.judges[by].judge.endpoint
                done = Progress(f"{name} by {by}")
                found = asyncio.run(run_eqbench3(scenarios[:limit], forms, asked, judging, cache, settings.seed, done))
                kinds = "".join(f", {kind} {score:.1f}" for kind, score in found.by_kind.items())
                shown = "not measured" if found.score is None else f"{found.score:.1f}{kinds}"
                left = ", ".join(f"{count} {reason}" for reason, count in found.unscored.items()) or "0"
                typer.echo(f"{name} by {by}: {shown}; {found.scored} scored, unscored {left}, {found.cut} replies cut")
    except TrainingError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
