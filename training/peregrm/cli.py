"""`attune-train judge-check`, `criteria` and `judge-simulate`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from training.progress import Progress

if TYPE_CHECKING:
    from training.peregrm.config import JudgeConfig

Config = Annotated[Path, typer.Option("--config", help="The judge's file.")]
DEFAULT = Path("configs/judge.toml")


def judge_check(
    config: Config = DEFAULT,
    report: Annotated[
        Path | None, typer.Option("--report", help="Where the result goes; check.report otherwise.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find out whether a judge is fit to train on, before anything is trained on it.

    Invented people, plain good replies and the known ways to fool a judge: nothing said, a colon, headings and
    bullets, praise of the judge, injected verdicts and boxes, memories or the persona said back, ten-fold length,
    somebody else's memories, generic sympathy. Each must earn less than the good replies. Also how far a reply's
    reward is repeatable, and agreement with a second judge where check.second names one.

    The result is kept as JSON, with a page in Markdown beside it; training asks for it. Status 1: the judge failed.
    """
    from training.errors import TrainingError
    from training.peregrm.check import run_check, store
    from training.peregrm.check_report import page
    from training.peregrm.config import load_judge_config

    try:
        settings = load_judge_config(config)
        result = asyncio.run(run_check(settings, progress=Progress("probes")))
    except TrainingError as error:
        _fail(error)
    path = report or settings.check.report
    store(result, path)
    path.with_suffix(".md").write_text(page(result), encoding="utf-8")
    typer.echo(path.read_text(encoding="utf-8") if as_json else page(result))
    raise typer.Exit(0 if result.passed else 1)


def criteria(
    dataset_dir: Annotated[Path, typer.Argument(help="A data set that `attune-train data build` wrote.")],
    pool: Annotated[int | None, typer.Option("--pool", min=1, help="Rulers for each query and dimension.")] = None,
    config: Config = DEFAULT,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Answers are kept here, so that a run cut short goes on.")
    ] = None,
) -> None:
    """Write the criteria that replies will be judged by, before any reply exists, into the rows of a data set.

    Each training step draws some of a query's rulers, the same for all rollouts of a group. Rulers that this writer
    already wrote are kept. The rows are replaced only when all of them are written.
    """
    from assistant.errors import AttuneError
    from memory.errors import MemoryLayerError
    from training.errors import TrainingError
    from training.peregrm.config import load_judge_config

    try:
        settings = load_judge_config(config)
        size = pool or (settings.criteria.size if settings.criteria else 1)
        kept = cache or dataset_dir / "criteria.cache.db"
        written = asyncio.run(_write(dataset_dir, settings, size, kept))
    except (TrainingError, MemoryLayerError, AttuneError) as error:
        _fail(error)
    typer.echo(f"{written} examples have {size} rulers for each dimension")


async def _write(dataset_dir: Path, settings: JudgeConfig, size: int, kept: Path) -> int:
    """Write the rulers; where people of the ledger are in the rows, it is told what the rows are now."""
    from assistant.config import load_config
    from memory.ledger.ledger import Ledger
    from training.peregrm.pools import write_pools
    from training.personaemp.check import register
    from training.personaemp.manifest import read_manifest

    written = await write_pools(dataset_dir, settings, size, kept, Progress("examples"))
    if read_manifest(dataset_dir).build.consent is not None:
        async with Ledger.open(load_config().memory_config) as ledger:
            await register(ledger, dataset_dir)
    return written


def judge_simulate(
    failing: Annotated[float, typer.Option("--failing", min=0, max=0.9, help="Share of replies left unscored.")] = 0.2,
    ruler_sd: Annotated[float, typer.Option("--ruler-sd", min=0, help="How much rulers differ in leniency.")] = 0.8,
    noise_sd: Annotated[float, typer.Option("--noise-sd", min=0, help="The judge's own noise.")] = 0.5,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="K.")] = 4,
) -> None:
    """Show on a simulated judge what shared rulers and masking are worth; no model is asked."""
    from training.peregrm.simulation import World, report, simulate

    world = World(failing=failing, ruler_sd=ruler_sd, noise_sd=noise_sd, rounds=rounds)
    typer.echo(report(world, simulate(world)))


def _fail(error: Exception) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(2) from error
