"""`attune-train`: from conversations to a better policy, and the measurements on the way.

Only what a command needs is imported, when it runs.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.benchmarks.memory_cli import bench_memory_update, bench_retrieval

if TYPE_CHECKING:
    from training.benchmarks.persona import Labelled, Result
    from training.benchmarks.safety import Labelled as Screened
    from training.benchmarks.safety import Rates
    from training.benchmarks.safety import Result as ScreenResult

app = typer.Typer(
    name="attune-train",
    help="Training and measurements for Attune.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
bench = typer.Typer(help="Measure a part of the assistant on data with known answers.", no_args_is_help=True)
app.add_typer(bench, name="bench")
bench.command("retrieval")(bench_retrieval)
bench.command("memory-update")(bench_memory_update)


@app.callback()
def _root() -> None:
    """Keep `bench` a command of its own, also while it is the only one."""


@bench.command("persona")
def bench_persona(
    input: Annotated[
        Path,
        typer.Option(
            "--input",
            help='A .jsonl or .jsonl.gz file, one person a line: {"text": …, "O": …, "C": …, "E": …, "A": …, '
            '"N": …} with labels 0/1 or scores.',
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Read only the first so many people.")] = None,
) -> None:
    """Measure how well the inferred Big Five agree with people's own questionnaires.

    Each text is cut into sentences, which go through the same path as chat without a language model: sentence,
    evidence, posterior mean. Printed are Pearson r and AUC per trait, r against the amount of text, and seconds per
    1,000 sentences. Chance is r = 0 and AUC = 0.5; text rarely gives more than r = .3. Lines that cannot be used are
    named by number and left out. Progress goes to stderr.

    Example: attune-train bench persona --input essays.jsonl.gz --json > result.json
    """
    from memory.errors import MemoryLayerError
    from training.errors import TrainingError

    try:
        people = _people(input, limit)
        result = asyncio.run(_measure(people, _Progress(len(people))))
    except (TrainingError, MemoryLayerError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(result.as_dict()) if as_json else _table(result))


class _Half(StrEnum):
    DEV = "dev"
    HELD_OUT = "held_out"


@bench.command("safety")
def bench_safety(
    input: Annotated[
        Path,
        typer.Option(
            "--input",
            help='A .jsonl or .jsonl.gz file, one message a line: {"text": …, "history": [earlier messages], '
            '"level": none|concern|high|imminent, "category": …, "language": …}.',
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    split: Annotated[
        _Half | None, typer.Option("--split", help="Only this half: the line's own, else by a hash of its text.")
    ] = None,
) -> None:
    """Measure the crisis screen on messages whose level is known.

    Each message goes through the same screen as a turn of chat. Recall is the share of high and imminent messages
    screened high or imminent; a false alarm is a message of level none screened so. Lines that cannot be used are named
    by number and left out. The rules are deterministic, so that two runs agree.

    Example: attune-train bench safety --input tests/data/safety_lines.jsonl --split held_out
    """
    from assistant.safety.screen import screen
    from training.benchmarks.safety import measure
    from training.errors import TrainingError

    try:
        result = measure(_screened(input, split), screen)
    except TrainingError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(result.as_dict(), ensure_ascii=False) if as_json else _safety_table(result))


def _screened(path: Path, split: str | None) -> list[Screened]:
    from training.benchmarks.lines import BadLine, usable
    from training.benchmarks.safety import read

    lines = (row for row in read(path) if isinstance(row, BadLine) or split in (None, row.split))
    return usable(path, lines, _complain, needs="a text, a level and a language")


def _safety_table(result: ScreenResult) -> str:
    groups = {"all": result.overall, **result.by_language, **result.by_category}
    heading = f"{'':<18} {'lines':>6}  {'high+imminent':>13} {'recall':>7}  {'none':>5} {'false alarms':>12}"
    table = [_safety_row(name, rates) for name, rates in groups.items()]
    languages = 1 + len(result.by_language)
    return "\n".join([heading, table[0], "", *table[1:languages], "", *table[languages:]])


def _safety_row(name: str, rates: Rates) -> str:
    recall, alarms = _percent(rates.recall_high), _percent(rates.false_alarms)
    return f"{name:<18} {rates.n:>6}  {rates.n_high:>13} {recall:>7}  {rates.n_none:>5} {alarms:>12}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _people(path: Path, limit: int | None) -> list[Labelled]:
    from training.benchmarks.lines import usable
    from training.benchmarks.persona import read

    return usable(path, read(path), _complain, needs="a text and the numbers O, C, E, A, N", limit=limit)


def _complain(text: str) -> None:
    typer.echo(text, err=True)


async def _measure(people: list[Labelled], progress: Callable[[int, float], None]) -> Result:
    from functools import partial

    from memory.config import MemoryConfig
    from memory.embedder import Embedder
    from memory.persona.evidence import trait_evidence
    from training.benchmarks.persona import measure

    config = MemoryConfig()
    embedder = Embedder(config.embedder, config.home / "models")
    try:
        await embedder.ready()
        return await measure(people, partial(trait_evidence, embedder=embedder), progress)
    finally:
        embedder.close()


class _Progress:
    """Says on stderr, at most once a second, how far the work is."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._said = 0.0

    def __call__(self, done: int, seconds: float) -> None:
        if time.monotonic() - self._said < 1 and done < self._total:
            return
        self._said = time.monotonic()
        rate = done / max(seconds, 1e-9)
        end = "\n" if done == self._total or not sys.stderr.isatty() else ""
        start = "\r" if sys.stderr.isatty() else ""
        left = (self._total - done) / rate
        typer.echo(
            f"{start}{done}/{self._total} people, {rate:.1f} a second, {left:.0f} s left {end}", nl=False, err=True
        )


def _table(result: Result) -> str:
    lines = [
        f"{result.n} people, {result.sentences} sentences, {result.seconds_per_1000:.1f} s per 1,000 sentences",
        "",
    ]
    lines += ["trait      r    AUC"]
    lines += [f"{letter:<5} {_number(result.r[letter])}  {_number(result.auc[letter])}" for letter in result.r]
    lines += [f"mean  {_number(result.mean_r)}", "", "sentences  people  mean r"]
    lines += [f"{point['sentences']:>9}  {point['n']:>6}  {_number(point['mean_r'])}" for point in result.curve]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "     -" if value is None else f"{value:+6.3f}"


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
