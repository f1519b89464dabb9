"""An evaluation: policies over splits, each judged by every judge under fixed criteria, and what it adds up to.

Replies are generated once for all judges. A reply that is missing or unscored is in no mean; it is counted. Verdicts
of different judges or writers are never put together. Everything asked is cached: a run cut short goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from memory.embedder import Embedder
from training.errors import DatasetError
from training.evaluation.config import EvaluateConfig
from training.evaluation.cost import Cost, spent
from training.evaluation.pairs import Estimate, estimate, paired
from training.evaluation.policies import Answered, answers
from training.evaluation.rulers import Fixed, check_writers, rulers
from training.example import CATEGORIES, DIMENSIONS, TRAITS, Example, Split
from training.peregrm.case import Case
from training.peregrm.judge import Judge
from training.peregrm.verdict import Unscored, Verdict, same_judge
from training.personaemp.dataset import read_examples
from training.personaemp.manifest import read_manifest

MEASURES = (*DIMENSIONS, "average")

Progress = Callable[[str], Callable[[int, int], None]]


@dataclass(frozen=True, slots=True)
class Scored:
    """One policy on one split by one judge."""

    policy: str
    split: Split
    judge: str
    scores: Mapping[str, Mapping[str, float]]
    """By question, then by dimension and `average`, on the judge's scale; questions without a score are absent."""
    unscored: Mapping[str, int]
    """Questions without a score, by reason."""
    identity: tuple[str, str] | None
    """Judge and writer; None where nothing was scored."""
    cost: Cost = field(default_factory=Cost)
    """Of the judge's calls in this run."""


async def run_evaluation(
    config: EvaluateConfig, embedder: Embedder, progress: Progress = lambda _what: lambda _done, _of: None
) -> dict[str, Any]:
    """Measure everything and return the report.

    Raises:
        DatasetError: a split is missing.
        MixedJudgesError: the criteria would be those of training's writer.
        CallError: a server is not there.
    """
    splits = {split: _examples(config, split) for split in config.splits}
    for entry in config.judges.values():
        for examples in splits.values():
            check_writers(config, entry, examples)
    config.out.mkdir(parents=True, exist_ok=True)
    scored: list[Scored] = []
    costs: dict[str, dict[str, Cost]] = {name: {} for name in config.policies}
    memories: dict[str, dict[str, float]] = {name: {} for name in config.policies}
    writing: dict[str, dict[str, Cost]] = {name: {} for name in config.judges}
    for split, examples in splits.items():
        given: dict[str, list[Answered]] = {}
        for name, policy in config.policies.items():
            said, cost = await answers(
                policy, examples, embedder, config.out / "replies.db", config.seed, progress(f"{split}: {name} replies")
            )
            given[name], costs[name][split] = said, cost
            memories[name][split] = sum(one.memories for one in said) / len(said)
        for judge, entry in config.judges.items():
            fixed, writing[judge][split] = await rulers(
                config, entry, examples, config.out / "criteria.db", progress(f"{split}: {judge} criteria")
            )
            async with Judge.open(entry.judge, config.out / "verdicts.db") as asked:
                await asked.check()
                for name, said in given.items():
                    done = progress(f"{split}: {judge} judges {name}")
                    before = spent(asked.accounts, entry.judge.endpoint)
                    found = await _verdicts(asked, examples, said, fixed, done)
                    cost = spent(asked.accounts, entry.judge.endpoint) - before
                    scored.append(replace(_scored(name, split, judge, examples, found), cost=cost))
    return _report(config, splits, scored, costs, memories, writing)


async def _verdicts(
    judge: Judge, examples: Sequence[Example], said: Sequence[Answered], fixed: Fixed, done: Callable[[int, int], None]
) -> list[Verdict | str]:
    """Return a verdict for each question, or why there is none."""
    finished = 0

    async def one(example: Example, answered: Answered) -> Verdict | str:
        nonlocal finished
        found: Verdict | Unscored | str
        if answered.reply is None:
            found = f"no reply: {answered.reason}"
        elif example.id not in fixed:
            found = "no criteria"
        else:
            found = await judge.score(Case.of(example), answered.reply, fixed[example.id])
        finished += 1
        done(finished, len(examples))
        return f"judge: {found.reason}" if isinstance(found, Unscored) else found

    return list(await asyncio.gather(*(one(*pair) for pair in zip(examples, said, strict=True))))


def _scored(
    policy: str, split: Split, judge: str, examples: Sequence[Example], found: Sequence[Verdict | str]
) -> Scored:
    verdicts = [one for one in found if isinstance(one, Verdict)]
    kind = same_judge(verdicts) if verdicts else None
    scores: dict[str, Mapping[str, float]] = {}
    unscored: dict[str, int] = {}
    for example, one in zip(examples, found, strict=True):
        if isinstance(one, str):
            unscored[one] = unscored.get(one, 0) + 1
            continue
        means: dict[str, float] = {name: sum(one.rounds[name]) / len(one.rounds[name]) for name in DIMENSIONS}
        scores[example.id] = {**means, "average": sum(means.values()) / len(means)}
    return Scored(policy, split, judge, scores, unscored, kind)


def _report(
    config: EvaluateConfig,
    splits: Mapping[Split, Sequence[Example]],
    scored: Sequence[Scored],
    costs: Mapping[str, Mapping[str, Cost]],
    memories: Mapping[str, Mapping[str, float]],
    writing: Mapping[str, Mapping[str, Cost]],
) -> dict[str, Any]:
    of = {(one.policy, one.split, one.judge): one for one in scored}
    results = []
    for one in scored:
        theirs = of[config.baseline, one.split, one.judge]
        if one.identity and theirs.identity and one.identity != theirs.identity:
            raise DatasetError(f"{one.policy} and {config.baseline} were measured differently; evaluate both again")
        examples = splits[one.split]
        person_of = {example.id: example.person for example in examples}
        results.append(
            {
                "policy": one.policy,
                "split": one.split,
                "judge": one.judge,
                "identity": one.identity,
                "questions": len(examples),
                "unscored": dict(sorted(one.unscored.items())),
                "memories_in_prompt": round(memories[one.policy][one.split], 3),
                "means": {name: _mean(one, examples, name, config.seed) for name in MEASURES},
                "without_dimension": {name: _without(one, examples, name, config.seed) for name in DIMENSIONS},
                "difference": None
                if one.policy == config.baseline
                else {
                    name: _shown(paired(_of(one, name), _of(theirs, name), person_of, config.seed)) for name in MEASURES
                },
                "groups": _groups(one, examples, config.seed),
                "cost": asdict(costs[one.policy][one.split]),
                "rounds": config.judges[one.judge].judge.rounds,
                "rulers": "people" if config.judges[one.judge].criteria_file else "written",
                "judge_cost": asdict(one.cost),
            }
        )
    return {
        "format": "attune-evaluation-report/1",
        "baseline": config.baseline,
        "scale": [1, 5],
        "seed": config.seed,
        "data_manifest": read_manifest(config.dataset).id,
        "results": results,
        "criteria_cost": {
            judge: {split: asdict(cost) for split, cost in by_split.items()} for judge, by_split in writing.items()
        },
    }


def _groups(one: Scored, examples: Sequence[Example], seed: int) -> dict[str, Any]:
    """By category and by the level of each trait."""
    parts: dict[str, list[Example]] = {
        f"category={category}": [example for example in examples if example.category == category]
        for category in CATEGORIES
    }
    for trait in TRAITS:
        for level in ("low", "medium", "high"):
            parts[f"{trait}={level}"] = [example for example in examples if example.big_five.get(trait) == level]
    return {name: _mean(one, part, "average", seed) for name, part in parts.items() if part}


def _mean(one: Scored, examples: Sequence[Example], name: str, seed: int) -> dict[str, Any] | None:
    values = [one.scores[example.id][name] if example.id in one.scores else None for example in examples]
    return _shown(estimate(values, [example.person for example in examples], seed))


def _without(one: Scored, examples: Sequence[Example], left_out: str, seed: int) -> dict[str, Any] | None:
    """The average of the other dimensions."""
    rest = [name for name in DIMENSIONS if name != left_out]
    values = [
        sum(one.scores[example.id][name] for name in rest) / len(rest) if example.id in one.scores else None
        for example in examples
    ]
    return _shown(estimate(values, [example.person for example in examples], seed))


def _of(one: Scored, name: str) -> dict[str, float | None]:
    return {question: scores[name] for question, scores in one.scores.items()}


def _shown(found: Estimate | None) -> dict[str, Any] | None:
    return None if found is None else asdict(found)


def _examples(config: EvaluateConfig, split: Split) -> list[Example]:
    found = list(read_examples(config.dataset, split))[: config.limit]
    if not found:
        raise DatasetError(f"{config.dataset} has no example of {split}; name other splits")
    return found
