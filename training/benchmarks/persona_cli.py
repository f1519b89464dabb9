"""`attune-train bench persona`; training/cli.py hangs it into the command line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.benchmarks.command import Config, Json, Limit, measured, progress, reflecting, usable_lines

if TYPE_CHECKING:
    from training.benchmarks.persona import Labelled, ObserveTraits, Result


def bench_persona(
    input: Annotated[
        Path,
        typer.Option(
            "--input",
            help='A .jsonl or .jsonl.gz file, one person a line: {"text": …, "O": …, "C": …, "E": …, "A": …, '
            '"N": …} with labels 0/1 or scores.',
        ),
    ],
    as_json: Json = False,
    limit: Limit = None,
    config: Config = None,
) -> None:
    """Measure how well the inferred Big Five agree with people's own questionnaires.

    Each text is cut into sentences, which go through the same path as chat: sentence, evidence, posterior mean. Printed
    are Pearson r and AUC per trait, r against the amount of text, and seconds per 1,000 sentences. Chance is r = 0 and
    AUC = 0.5; text rarely gives more than r = .3. Lines that cannot be used are named by number and left out. Progress
    goes to stderr.

    Example: attune-train bench persona --input essays.jsonl.gz --json > result.json
    """
    from training.benchmarks.persona import read

    async def run() -> Result:
        people = usable_lines(input, read(input), "a text and the numbers O, C, E, A, N", limit)
        return await _measure(people, config)

    result = measured(run)
    typer.echo(json.dumps(result.as_dict()) if as_json else _table(result))


async def _measure(people: list[Labelled], config: Path | None) -> Result:
    from training.benchmarks.persona import measure

    async with _observing(config) as observe:
        return await measure(people, observe, progress(len(people), "people"))


@asynccontextmanager
async def _observing(config: Path | None) -> AsyncIterator[ObserveTraits]:
    """Give what finds trait evidence: the model that reflects under `config`, else likeness to the items."""
    from functools import partial

    from memory.config import MemoryConfig
    from memory.embedder import Embedder
    from memory.persona.evidence import trait_evidence
    from training.benchmarks.persona import judged

    async with reflecting(config) as complete:
        if complete is not None:
            yield partial(judged, complete=complete)
            return
    memory = MemoryConfig()
    embedder = Embedder(memory.embedder, memory.home / "models")
    try:
        await embedder.ready()
        yield partial(trait_evidence, embedder=embedder)
    finally:
        embedder.close()


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
