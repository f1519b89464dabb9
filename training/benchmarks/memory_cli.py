"""`attune-train bench retrieval` and `bench memory-update`; training/cli.py hangs them into the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.benchmarks.command import Config, Json, Limit, measured, progress, reflecting, usable_lines

if TYPE_CHECKING:
    from training.benchmarks import memory_update, retrieval

_Input = Annotated[Path, typer.Option("--input", help="A .jsonl or .jsonl.gz file of AlpsBench records, one a line.")]


def bench_retrieval(input: _Input, as_json: Json = False, limit: Limit = None) -> None:
    """Measure whether recall finds the right memory among a person's hundred, beside dense search and BM25.

    Each record is one person whose candidates become facts in a real ledger and index of their own; the query goes
    through the same recall as chat, set to return its whole ranking. Printed are recall at 1, 3, 5, 10, the mean
    reciprocal rank, and milliseconds a query, embedding included. Rejected memories and lines that cannot be used are
    left out and named by number. Progress goes to stderr.

    Example: attune-train bench retrieval --input records.jsonl.gz --json > result.json
    """
    from training.benchmarks.retrieval import read

    result = measured(lambda: _retrieval(usable_lines(input, read(input), _NEEDS, limit)))
    typer.echo(json.dumps(result.as_dict()) if as_json else _retrieval_table(result))


def bench_memory_update(
    input: _Input,
    as_json: Json = False,
    limit: Limit = None,
    config: Config = None,
) -> None:
    """Measure whether memory stays true when people say new things.

    Each record is one person who is known by `before` and says `new_dialogue`, through the same reflection as chat.
    A known value that stands unchanged in `golden` must stay active; one that does not must be superseded; a new
    golden value must be matched by an active fact (cosine at least 0.7). Rejected memories and lines that cannot be
    used are left out. Progress goes to stderr.

    Example: attune-train bench memory-update --input records.jsonl.gz --config configs/vllm.toml
    """
    from training.benchmarks.memory_update import read

    result = measured(lambda: _memory_update(usable_lines(input, read(input), _NEEDS, limit), config))
    typer.echo(json.dumps(result.as_dict()) if as_json else _update_table(result))


_NEEDS = "the fields of an AlpsBench record"


async def _retrieval(questions: list[retrieval.Question]) -> retrieval.Result:
    from training.benchmarks.memories import open_memories
    from training.benchmarks.retrieval import measure

    async with open_memories() as memories:
        return await measure(questions, memories, progress(len(questions), "records"))


async def _memory_update(cases: list[memory_update.Case], config: Path | None) -> memory_update.Result:
    from assistant.safety.screen import screen
    from training.benchmarks.memories import open_memories
    from training.benchmarks.memory_update import measure

    say = progress(len(cases), "records")
    async with reflecting(config) as complete, open_memories() as memories:
        return await measure(cases, memories, complete, lambda text: screen(text).level, say)


def _retrieval_table(result: retrieval.Result) -> str:
    names = ("r1", "r3", "r5", "r10", "mrr", "p50_ms", "p95_ms")
    lines = [f"{result.n} questions", "", f"{'':<8}" + "".join(f"{name:>9}" for name in names)]
    for way, found in (("attune", result.attune), ("dense", result.dense), ("bm25", result.bm25)):
        numbers = found.as_dict()
        lines.append(f"{way:<8}" + "".join(f"{numbers[name]:>9.{1 if 'ms' in name else 3}f}" for name in names))
    return "\n".join(lines)


def _update_table(result: memory_update.Result) -> str:
    counts = result.counts
    rows = [
        ("standing facts retired wrongly", counts.wrongly_retired, counts.standing),
        ("changed facts superseded", counts.superseded, counts.changed),
        ("new values known now", counts.found, counts.new),
    ]
    lines = [f"{counts.n} records by {result.by}, {counts.learnt} facts learnt, {result.failed_jobs} jobs failed", ""]
    return "\n".join(
        [*lines, *(f"{what:<32} {part:>5} of {whole:>5}  {_percent(part, whole)}" for what, part, whole in rows)]
    )


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"
