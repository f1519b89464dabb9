"""`attune-train data build` and `data inspect`: make a data set, and look at what is in one."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from memory.ledger.ledger import Ledger
    from training.example import Example
    from training.personaemp.build import Built
    from training.personaemp.build_config import BuildConfig
    from training.personaemp.estimate import Estimate


def build_set(
    config: Annotated[
        Path, typer.Option("--config", help="Such as configs/dataset.toml; its comments say what can be set.")
    ],
    out: Annotated[Path | None, typer.Option(help="Another directory than the file names.", show_default=False)] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Read only the first so many records.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only estimate calls, tokens and cost.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Build a data set for training from consenting people, AlpsBench, or conversations from elsewhere.

    A model writes personas, trait levels, situations and queries, and checks them; messages that people really sent
    are found and kept with what was known then. A build that was stopped, or killed, goes on where it stood when the
    same command is run again: no finished call is repeated. Everything left out is counted by stage and reason in the
    data card. Progress goes to stderr.

    Example: attune-train data build --config configs/dataset.toml --limit 200 --dry-run
    """
    from assistant.errors import AttuneError
    from memory.errors import MemoryLayerError
    from training.errors import TrainingError
    from training.personaemp.build_config import load_build_config

    try:
        wanted = load_build_config(config)
        if out is not None:
            wanted = wanted.model_copy(update={"out": out})
        if dry_run:
            typer.echo(_estimated(asyncio.run(_estimate(wanted, limit)), wanted, as_json))
            return
        typer.echo(_finished(asyncio.run(_build(wanted, limit)), wanted, as_json))
    except (TrainingError, MemoryLayerError, AttuneError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def inspect_set(
    dataset: Annotated[Path, typer.Argument(help="A directory that `data build` wrote.", show_default=False)],
    rows: Annotated[int, typer.Option(min=1, help="How many.")] = 3,
    split: Annotated[str | None, typer.Option(help="train, test or ood; by default all.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Show the same rows again.", show_default=False)] = None,
    prompt: Annotated[bool, typer.Option("--prompt", help="Show the whole prompt of the policy too.")] = False,
) -> None:
    """Show random rows of a data set readably: who asks, why, with what memories, and what the judge knows.

    Example: attune-train data inspect data/personaemp --rows 5 --split test --prompt
    """
    from training.errors import TrainingError

    try:
        for example in _drawn(dataset, split, rows, random.Random(seed)):
            typer.echo(_page(example, prompt=prompt))
    except TrainingError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


async def _build(config: BuildConfig, limit: int | None) -> Built:
    from training.personaemp.build import build
    from training.personaemp.build_progress import shown
    from training.personaemp.check import register

    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(_ledger(config)) if config.sources.ledger else None
        show = stack.enter_context(shown())
        built = await build(
            config,
            ledger,
            limit=limit,
            total=await asyncio.to_thread(_lines, config),
            show=show,
            skipped=lambda one: typer.echo(f"skipped {one.where}: {one.reason}", err=True),
        )
        if ledger is not None:
            await register(ledger, config.out)
    return built


def _ledger(config: BuildConfig) -> AbstractAsyncContextManager[Ledger]:
    """Open the ledger of the backend that the configuration names."""
    from assistant.config import load_config
    from memory.ledger.ledger import Ledger

    return Ledger.open(load_config(config.attune).memory_config)


async def _estimate(config: BuildConfig, limit: int | None) -> Estimate:
    from tempfile import TemporaryDirectory

    from training.personaemp.build import check_limit
    from training.personaemp.estimate import estimate
    from training.personaemp.identity import open_identity
    from training.personaemp.sources.sources import Sources

    check_limit(limit, config.split)
    people = 0
    if config.sources.ledger:
        async with _ledger(config) as ledger:
            people = sum([1 async for _ in ledger.settings.consenting("training")])
        config = config.model_copy(update={"sources": config.sources.model_copy(update={"ledger": False})})
    with TemporaryDirectory() as directory:
        sources = Sources(config.sources, open_identity(Path(directory)))
        found = await estimate(sources.records(), config.stages, limit)
    found.ledger_people = people if limit is None else min(people, limit)
    return found


def _lines(config: BuildConfig) -> int | None:
    """Count the records of a file, where nothing but a file is read; None where counting would cost a build's work."""
    from memory.importing.lines import read_lines

    sources = config.sources
    if sources.alpsbench is None or sources.jsonl or sources.ledger or not sources.alpsbench.is_file():
        return None
    return sum(1 for _ in read_lines(sources.alpsbench))


def _estimated(found: Estimate, config: BuildConfig, as_json: bool) -> str:
    builder = config.builder
    prompt, completion = found.tokens
    cost = (prompt * builder.price_per_million_prompt + completion * builder.price_per_million_completion) / 1e6
    if as_json:
        stages = {name: [one.calls, one.prompt_tokens, one.completion_tokens] for name, one in found.stages.items()}
        totals = {"calls": found.calls, "prompt_tokens": prompt, "completion_tokens": completion, "cost": cost}
        read = {"records": found.records, "selected": found.selected, "ledger_people": found.ledger_people}
        return json.dumps({**read, "stages": stages, **totals})
    lines = [f"{'stage':<16}{'calls':>10}{'prompt tokens':>16}{'answer tokens':>16}"]
    lines += [
        f"{name:<16}{one.calls:>10,}{one.prompt_tokens:>16,}{one.completion_tokens:>16,}"
        for name, one in found.stages.items()
    ]
    lines.append(f"{'at most':<16}{found.calls:>10,}{prompt:>16,}{completion:>16,}")
    lines.append(f"records {found.records}, of them {found.selected} selected by memories; skipped {found.skipped}")
    if found.ledger_people:
        each = config.stages.calls_a_person
        lines.append(
            f"besides, {found.ledger_people} people of the ledger agreed: {each} calls each at most, "
            f"{found.ledger_people * each:,} in all; what they said is read by a build alone"
        )
    if cost:
        lines.append(f"cost at most {cost:,.2f}")
    return "\n".join(lines)


def _finished(built: Built, config: BuildConfig, as_json: bool) -> str:
    manifest, progress = built.manifest, built.progress
    prompt, completion = progress.tokens
    calls = {tag: account.as_dict() for tag, account in sorted(progress.accounts.items())}
    if as_json:
        totals = {"prompt_tokens": prompt, "completion_tokens": completion, "cost": progress.cost}
        about = {"out": str(config.out), "rows": manifest.rows, "people": manifest.people}
        return json.dumps({**about, "drops": manifest.build.drops, "calls": calls, **totals})
    rows = ", ".join(f"{split} {file.rows}" for split, file in manifest.files.items())
    lines = [f"{config.out}: {manifest.rows} rows of {manifest.people} people ({rows})"]
    lines += [
        f"left out in {stage}: " + ", ".join(f"{reason} {count}" for reason, count in reasons.items())
        for stage, reasons in manifest.build.drops.items()
    ]
    asked = sum(one.calls - one.cached for one in progress.accounts.values())
    kept = sum(one.cached for one in progress.accounts.values())
    failed = sum(one.failed for one in progress.accounts.values())
    lines.append(f"calls: {asked} asked, {kept} kept from before, {failed} failed; {prompt:,} + {completion:,} tokens")
    if progress.cost:
        lines.append(f"cost {progress.cost:,.2f}")
    if manifest.build.shortened:
        lines.append(f"{manifest.build.shortened} prompts lost {manifest.build.memories_left_out} memories for room")
    return "\n".join(lines)


def _drawn(dataset: Path, split: str | None, count: int, draw: random.Random) -> list[Example]:
    """Draw rows without holding them all (reservoir sampling)."""
    from training.errors import DatasetError
    from training.personaemp.dataset import read_examples
    from training.personaemp.manifest import read_manifest

    splits = list(read_manifest(dataset).files)
    if split is not None and split not in splits:
        raise DatasetError(f"{dataset} has no split {split!r}. Repair: choose one of {', '.join(splits)}")
    chosen: list[Example] = []
    seen = 0
    for name in splits if split is None else [one for one in splits if one == split]:
        for example in read_examples(dataset, name):
            seen += 1
            if len(chosen) < count:
                chosen.append(example)
            elif (place := draw.randrange(seen)) < count:
                chosen[place] = example
    return chosen


def _page(example: Example, *, prompt: bool) -> str:
    head = f"{example.split} · {example.id} · {example.origin} · {example.category} · {example.language}"
    traits = ", ".join(f"{trait} {level}" for trait, level in example.big_five.items())
    memories = "\n".join(f"  - {memory.text}" for memory in example.memory) or "  (none)"
    parts = [
        f"{head}\n{'─' * len(head)}",
        f"query      {example.query}",
        f"situation  {example.situation}",
        f"persona    {example.persona}",
        f"traits     {traits}",
        f"memories\n{memories}",
    ]
    if prompt:
        parts += [f"[{message['role']}]\n{message['content']}" for message in example.prompt]
    return "\n".join(parts) + "\n"
