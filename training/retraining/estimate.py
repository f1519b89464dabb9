"""What a round will take at most, before anything is asked: model calls, tokens, and GPU hours with what they assume.

Calls are counted by composing the very prompts that the steps would, over stand-ins of the right size; where a data set
is there already, its rows are the measure. Seconds of a training step are those that the last run measured, or the
configured assumption, and it is said which.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from memory.tokens import estimate_tokens
from training.example import DIMENSIONS, CriteriaSet, Criterion
from training.peregrm.case import Case, Reply
from training.peregrm.config import JudgeConfig, PoolConfig
from training.peregrm.criteria import pool_prompt
from training.peregrm.probes import load_trials
from training.peregrm.prompts import questions
from training.peregrm.rubric import load_rubric
from training.personaemp.estimate import Estimate, estimate
from training.personaemp.identity import open_identity
from training.personaemp.manifest import read_manifest
from training.personaemp.record import Record, Skipped
from training.personaemp.sources.sources import Sources
from training.retraining.collect import stand_in
from training.retraining.road import Road

_RULER_TOKENS, _VERDICT_TOKENS, _PROMPT_TOKENS, _REPLY_TOKENS = 200, 20, 900, 200
"""What a ruler, a verdict, a policy's prompt and its reply usually take."""
_WORDS = {"persona": 120, "situation": 40, "memory": 14, "query": 25, "reply": 160, "criterion": 16}
_MEMORIES, _CRITERIA = 8, 4


@dataclass(frozen=True, slots=True)
class Share:
    """What one step takes at most."""

    step: str
    calls: int
    prompt_tokens: int
    answer_tokens: int
    gpu_hours: float = 0.0


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows the round has."""

    train: int
    held_out: int
    known: bool
    """Counted in a data set, not estimated."""


def shares(road: Road, again: frozenset[str]) -> tuple[list[Share], str]:
    """Return what the steps named in `again` take at most, and what that assumes."""
    building = asyncio.run(_building(road)) if "build" in again else None
    rows = _rows(road, building)
    steps, gpus = _steps(road, rows), _gpus(road)
    measured = road.journal.entries.get("train")
    seconds = measured.outputs["seconds per step"] if measured else road.config.assumed.seconds_per_step
    found = {
        "build": _build_share(building),
        "criteria": _criteria_share(road, rows),
        "judge-check": _check_share(road),
        "train": _train_share(road, steps, steps * seconds * gpus / 3600),
        "evaluate": _evaluate_share(road, rows),
    }
    source = f"measured in the run of {measured.at[:10]}" if measured else "assumed.seconds_per_step"
    said = (
        f"{'counted' if rows.known else 'at most'} {rows.train} rows to train on and {rows.held_out} held out; "
        f"{steps} steps of {seconds:g} s ({source}) on {f'{gpus} GPUs' if gpus else 'the CPU'}; the GPUs of judge, "
        "builder and policy servers are not counted"
    )
    return [share for name, share in found.items() if name in again and share is not None], said


async def _building(road: Road) -> Estimate:
    sources = road.build.sources

    async def records() -> AsyncIterator[Record | Skipped]:
        for number, sizes in enumerate(road.held.people if road.held else ()):
            yield stand_in(sizes, number)
        if sources.alpsbench or sources.jsonl:
            with TemporaryDirectory() as directory:
                files = sources.model_copy(update={"ledger": False})
                async for record in Sources(files, open_identity(Path(directory))).records():
                    yield record

    return await estimate(records(), road.build.stages)


def _rows(road: Road, building: Estimate | None) -> Rows:
    if building is None:
        files = read_manifest(road.data).files
        train = files["train"].rows if "train" in files else 0
        return Rows(train, sum(one.rows for one in files.values()) - train, True)
    stages, split = road.build.stages, road.build.split
    rows = building.selected * (stages.situations + stages.real_queries)
    held_out = round(rows * (split.test_share + (split.ood_share if split.ood else 0)))
    return Rows(rows - held_out, held_out, False)


def _steps(road: Road, rows: Rows) -> int:
    wanted = road.grpo.get("trainer.total_training_steps")
    epochs = int(road.grpo.get("trainer.total_epochs", 1))
    return int(wanted) if wanted else rows.train // int(road.grpo.get("data.train_batch_size", 1024)) * epochs


def _gpus(road: Road) -> int:
    if road.grpo.attune.device == "cpu":
        return 0
    return int(road.grpo.get("trainer.n_gpus_per_node", 8)) * int(road.grpo.get("trainer.nnodes", 1))


def _build_share(building: Estimate | None) -> Share | None:
    return None if building is None else Share("build", building.calls, *building.tokens)


def _criteria_share(road: Road, rows: Rows) -> Share | None:
    pool = road.judge.criteria
    if pool is None:
        return None
    calls = (rows.train + rows.held_out) * len(DIMENSIONS) * pool.size
    return Share("criteria", calls, calls * _ruler_prompt(pool, road.judge.preset), calls * _RULER_TOKENS)


def _check_share(road: Road) -> Share:
    check = road.judge.check
    replies = sum(len(trial.probes) for trial in load_trials()) * check.repetitions * (2 if check.second else 1)
    return _judged("judge-check", replies, road.judge)


def _train_share(road: Road, steps: int, gpu_hours: float) -> Share:
    replies = (
        steps * int(road.grpo.get("data.train_batch_size", 1024)) * int(road.grpo.get("actor_rollout_ref.rollout.n", 1))
    )
    share = _judged("train", replies, road.judge)
    return Share(share.step, share.calls, share.prompt_tokens, share.answer_tokens, gpu_hours)


def _evaluate_share(road: Road, rows: Rows) -> Share:
    evaluate = road.evaluate
    asked = min(rows.held_out, evaluate.limit * len(evaluate.splits)) if evaluate.limit else rows.held_out
    calls, prompt, answer = 2 * asked, 2 * asked * _PROMPT_TOKENS, 2 * asked * _REPLY_TOKENS
    for entry in evaluate.judges.values():
        share = _judged("evaluate", 2 * asked, entry.judge)
        calls, prompt, answer = calls + share.calls, prompt + share.prompt_tokens, answer + share.answer_tokens
        if entry.criteria_file is None and evaluate.criteria is not None:
            rulers = asked * len(DIMENSIONS)
            calls, answer = calls + rulers, answer + rulers * _RULER_TOKENS
            prompt += rulers * _ruler_prompt(evaluate.criteria, entry.judge.preset)
    return Share("evaluate", calls, prompt, answer)


def _judged(step: str, replies: int, judge: JudgeConfig) -> Share:
    asked = questions(_case(), Reply(_words("reply")), _rulers(judge), judge)
    tokens = sum(estimate_tokens(message["content"]) for one in asked for message in one.messages)
    return Share(step, replies * len(asked), replies * tokens, replies * len(asked) * _VERDICT_TOKENS)


def _ruler_prompt(pool: PoolConfig, preset: str) -> int:
    rubric = load_rubric()
    return estimate_tokens(pool_prompt(_case(), rubric.measures[DIMENSIONS[0]], rubric.presets[preset], pool, 1))


def _case() -> Case:
    memories = (_words("memory"),) * _MEMORIES
    return Case("stand-in", _words("query"), _words("persona"), _words("situation"), memories)


def _rulers(judge: JudgeConfig) -> dict[str, tuple[CriteriaSet, ...]]:
    ruler = CriteriaSet((Criterion(_words("criterion"), 100 / _CRITERIA),) * _CRITERIA, "stand-in")
    return dict.fromkeys(DIMENSIONS, (ruler,) * judge.rounds)


def _words(kind: str) -> str:
    return "word " * _WORDS[kind]
