"""`attune-train bench safety`; training/cli.py hangs it into the command line."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.benchmarks.command import Json, measured, usable_lines

if TYPE_CHECKING:
    from memory.types import CrisisLevel
    from training.benchmarks.safety import Labelled, Rates, Result


class _Half(StrEnum):
    DEV = "dev"
    HELD_OUT = "held_out"


def bench_safety(
    input: Annotated[
        Path,
        typer.Option(
            "--input",
            help='A .jsonl or .jsonl.gz file, one message a line: {"text": …, "history": [earlier messages], '
            '"level": none|concern|high|imminent, "category": …, "language": …}.',
        ),
    ],
    as_json: Json = False,
    split: Annotated[
        _Half | None, typer.Option("--split", help="Only this half: the line's own, else by a hash of its text.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="A backend's configuration: doubtful messages get its [safety.second_look]."),
    ] = None,
) -> None:
    """Measure the crisis screen on messages whose level is known.

    Each message goes through the same screen as a turn of chat. Recall is the share of high and imminent messages
    screened high or imminent; a false alarm is a message of level none screened so. Lines that cannot be used are named
    by number and left out. Without a second look the screen is deterministic, so that two runs agree.

    Example: attune-train bench safety --input tests/data/safety_lines.jsonl --split held_out
    """
    from training.benchmarks.safety import compare

    lines, levels = measured(lambda: _levels(input, split, config))
    result = compare(lines, levels)
    typer.echo(json.dumps(result.as_dict(), ensure_ascii=False) if as_json else _safety_table(result))


async def _levels(path: Path, split: str | None, config: Path | None) -> tuple[list[Labelled], list[CrisisLevel]]:
    from assistant.safety.screen import screen
    from training.benchmarks.second_look import screened_twice
    from training.progress import Progress

    lines = _read(path, split)
    if config is None:
        return lines, [screen(line.text, line.history).level for line in lines]
    found, looks = await screened_twice(lines, config, Progress("messages"))
    counts = ", ".join(f"{outcome} {count}" for outcome, count in looks.items())
    typer.echo(f"second looks: {counts}", err=True)
    return lines, [one.level for one in found]


def _read(path: Path, split: str | None) -> list[Labelled]:
    from training.benchmarks.lines import BadLine
    from training.benchmarks.safety import read

    lines = (row for row in read(path) if isinstance(row, BadLine) or split in (None, row.split))
    return usable_lines(path, lines, "a text, a level and a language")


def _safety_table(result: Result) -> str:
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
