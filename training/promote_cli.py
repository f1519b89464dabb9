"""`attune-train promote`: reports and canary for a registered policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def promote(
    version: Annotated[str, typer.Argument(help="A registered version, from `attune policies list`.")],
    evaluation: Annotated[Path | None, typer.Option(help="The report that evaluation wrote.")] = None,
    canary: Annotated[
        float | None, typer.Option(min=0.01, max=100, help="Percent of conversations, once it is safe.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="The backend's configuration.")] = None,
) -> None:
    """Make a candidate's safety report, hand in its evaluation, and start its canary.

    A running backend is needed (`attune serve`), and the policy's first server must answer. The safety gate has fixed
    conversations with a second backend of its own, with the candidate behind it.

    Example: attune-train promote p7 --evaluation runs/7/evaluation.json --canary 5
    """
    from assistant.config import load_config
    from assistant.errors import AttuneError
    from assistant.remote import find
    from training.errors import TrainingError
    from training.promote import promote as run

    def say(line: str) -> None:
        typer.echo(line, err=True)

    try:
        backend = find(load_config(config).memory_config.home)
        if backend is None:
            raise TrainingError("no backend runs on this data directory: start one with attune serve")
        result = run(
            backend,
            version,
            evaluation=evaluation,
            canary_percent=canary,
            say=say,
            done=lambda number, of: say(f"{number}/{of} conversations"),
        )
    except (TrainingError, AttuneError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    passed = "passed" if result.safety.passed else f"failed in {len(result.safety.failures)} places"
    typer.echo(f"{version}: {result.stage}; the safety gate {passed}")
    for reason in result.closed:
        typer.echo(f"closed  {reason}")
    raise typer.Exit(0 if result.safety.passed else 1)
