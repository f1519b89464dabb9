"""The fixed criteria of an evaluation: written by another model than training's, or by people in a file.

They never see a reply, and the same rulers measure every policy. A question for which no ruler could be written is
left out for all policies and counted.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from training.errors import DatasetError, InputFileError
from training.evaluation.config import NOBODY, EvaluateConfig, JudgeEntry
from training.evaluation.cost import Cost, spent
from training.example import DIMENSIONS, CriteriaSet, Criterion, Dimension, Example
from training.peregrm.criteria import PoolWriter, writer_identity
from training.peregrm.drawing import draw
from training.peregrm.verdict import MixedJudgesError, identity, require_other_writer

Fixed = Mapping[str, Mapping[str, Sequence[CriteriaSet]]]
"""The rulers of each dimension, by example."""


def check_writers(config: EvaluateConfig, entry: JudgeEntry, examples: Sequence[Example]) -> None:
    """Refuse rulers that the writer of training's rulers writes.

    Raises:
        MixedJudgesError: the writers are the same, or it is not known who wrote those of training.
    """
    if entry.criteria_file is not None or config.criteria is None:
        return
    writer = writer_identity(config.criteria, entry.judge.preset)
    trained = {one.writer for example in examples for sets in example.criteria.values() for one in sets}
    trained |= {config.training_writer} if config.training_writer else set()
    if not trained or "" in trained:
        raise MixedJudgesError(
            "nothing tells who wrote the rulers that the policies were trained under: write them into the data set"
            f' with `attune-train criteria`, or set training_writer, to "{NOBODY}" where nothing was trained under any'
        )
    for training in sorted(trained - {NOBODY}):
        require_other_writer(training, writer)


async def rulers(
    config: EvaluateConfig,
    entry: JudgeEntry,
    examples: Sequence[Example],
    cache: Path,
    done: Callable[[int, int], None] = lambda _done, _of: None,
) -> tuple[Fixed, Cost]:
    """Return the rulers of every example that has some, and what writing them took.

    Raises:
        InputFileError: the file of criteria cannot be used.
        CallError: the writer's server fails.
    """
    if entry.criteria_file is not None:
        fixed: dict[str, Sequence[CriteriaSet]] = {}
        fixed.update({str(name): sets for name, sets in read_criteria(entry.criteria_file).items()})
        return {example.id: fixed for example in examples}, Cost()
    judge = entry.judge.model_copy(update={"criteria": config.criteria, "seed": config.seed})
    found: dict[str, Mapping[str, Sequence[CriteriaSet]]] = {}
    seen = 0
    async with PoolWriter.open(judge, cache) as writer:
        await writer.check()

        async def one(example: Example) -> None:
            nonlocal seen
            try:
                filled = await writer.fill(replace(example, criteria={}), judge.rounds)
                found[example.id] = draw(example.id, filled.criteria, judge.rounds, 0, config.seed)
            except DatasetError:
                pass  # no ruler that keeps the rules: the question counts as unscored, for every policy
            seen += 1
            done(seen, len(examples))

        await asyncio.gather(*(one(example) for example in examples))
        cost = spent(writer.accounts, writer.config.endpoint)
    return found, cost


def read_criteria(path: Path) -> dict[Dimension, tuple[CriteriaSet, ...]]:
    """Read criteria of people: JSON, each dimension with a list of `[text, weight]` whose weights sum to 100.

    Raises:
        InputFileError: it cannot be read, lacks a dimension, or weights do not sum to 100.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        sets = {
            name: tuple(Criterion(str(text), float(weight)) for text, weight in values[name]) for name in DIMENSIONS
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputFileError(
            f"{path} holds no criteria ({error!r}); it is JSON with {', '.join(DIMENSIONS)}, each a list of"
            " [text, weight]"
        ) from error
    for name, criteria in sets.items():
        if abs(sum(one.weight for one in criteria) - 100) > 0.5:
            raise InputFileError(f"{path}: the weights of {name} do not sum to 100; correct them")
    return {name: (CriteriaSet(criteria, f"people-{identity(values)}"),) for name, criteria in sets.items()}
