"""`attune-train retrain`; training/cli.py hangs it into the command line."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class StepName(StrEnum):
    """Where one can stop."""

    BUILD = "build"
    CRITERIA = "criteria"
    JUDGE_CHECK = "judge-check"
    TRAIN = "train"
    EVALUATE = "evaluate"
    REGISTER = "register"
    CANARY = "canary"
    ACTIVATE = "activate"


def retrain(
    config: Annotated[Path, typer.Option("--config", help="Such as configs/retrain.toml.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be done, calls, tokens and GPU hours; do nothing.")
    ] = False,
    until: Annotated[StepName | None, typer.Option(help="Stop after this step.", show_default=False)] = None,
) -> None:
    """Retrain from what people agreed to, and let the new policy answer a share of the conversations.

    The road: build the data set, write criteria, check the judge, train, evaluate against what is live, register,
    canary, and activate where the configuration says so. A step whose inputs did not change is passed over, one that
    was cut off goes on; so it is safe to run every night, and again after any failure. The report goes to stdout and
    to report.md in the work directory, progress to stderr. A running backend is needed from the canary on.

    Example: attune-train retrain --config configs/retrain.toml --dry-run
    """
    from assistant.errors import AttuneError
    from memory.errors import MemoryLayerError
    from training.errors import TrainingError
    from training.retrain import plan
    from training.retrain import retrain as walk
    from training.retraining.config import load_retrain_config
    from training.retraining.estimate import shares
    from training.retraining.report import plan_page, round_page

    try:
        settings = load_retrain_config(config)
        if dry_run:
            decisions, road = plan(settings, _say)
            typer.echo(plan_page(decisions, *shares(road, frozenset(one.step.name for one in decisions if one.runs))))
            return
        done = walk(settings, until=until.value if until else None, say=_say)
        page = round_page(done)
        (settings.work / "report.md").write_text(page, encoding="utf-8")
    except (TrainingError, AttuneError, MemoryLayerError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(page)


def _say(line: str) -> None:
    typer.echo(line, err=True)
