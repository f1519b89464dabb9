"""`attune report`: what has to be told to others, in counts."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.config import load_config
from assistant.options import ConfigFile

if TYPE_CHECKING:
    from assistant import wire

app = typer.Typer(help="Reports in counts, without a person or a word.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Reports in counts, without a person or a word."""


@app.command("safety")
def safety(
    year: Annotated[int | None, typer.Option(min=2000, max=9999, help="The calendar year; the last one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    config: ConfigFile = None,
) -> None:
    """Print how often people in distress were noticed and shown where to turn in a year."""
    from assistant.safety_report import lines_of, safety_report
    from memory.ledger.ledger import Ledger

    async def run() -> wire.SafetyReport:
        async with Ledger.open(load_config(config).memory_config) as ledger:
            return await safety_report(ledger, year or datetime.now(UTC).year - 1)

    report = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps(report.model_dump(), indent=2))
        return
    for line in lines_of(report):
        typer.echo(line)
