"""The questions that one reply is judged by, composed of the prompt files, the rubric and fenced data.

What a whole group of replies shares stands first: the rules, the person, the query and every ruler, then the reply,
and only then which dimension is meant. So a prefix cache computes the person once for the group and the reply once
for its dimensions. `paper` mode asks as the paper did instead: dimension first, criteria and score in one answer.
Nothing here asks a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from memory.template import fill, load
from training.calls import Answer
from training.example import CriteriaSet
from training.peregrm.case import Case, Reply
from training.peregrm.config import JudgeConfig
from training.peregrm.fence import line
from training.peregrm.rubric import Measure, Preset, load_rubric
from training.peregrm.verdict import boxed

PACKAGE = "training.peregrm"
PROMPTS = (
    "judge.md",
    "dimensions.md",
    "case.md",
    "score.md",
    "score_all.md",
    "paper.md",
    "bystander.md",
    "bystander_case.md",
)
"""The files whose text decides a score."""
LAYOUT = 1
"""Of the composition below; raise it when the order or the wording in this module changes."""
BYSTANDER = "bystander"

Rulers: TypeAlias = Mapping[str, Sequence[CriteriaSet]]
Scores: TypeAlias = dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Question:
    """One call to the judge."""

    messages: tuple[Mapping[str, str], ...]
    schema: Mapping[str, Any] | None
    """None: free text with a box."""
    read: Callable[[Answer], Scores]
    """The scores of an answer, by dimension; raises UnreadableError."""
    tag: str
    seed: int


def questions(case: Case, reply: Reply, rulers: Rulers, config: JudgeConfig) -> list[Question]:
    """Return every call that scores one reply: 3K + 1 in `paper` mode, 4 or 2 in `shared`."""
    preset = load_rubric().presets[config.preset]
    measures = [load_rubric().measures[name] for name in preset.dimensions]
    if "profile" not in preset.dimensions:
        reply = Reply(reply.text)
    elif not reply.notes:
        # Nothing was noted, so there is nothing to ask about; the judge adds the lowest score.
        measures = [measure for measure in measures if measure.name != "profile"]
    if config.mode == "paper":
        asked = [_paper(case, reply, m, preset, config, turn) for turn in range(config.rounds) for m in measures]
    else:
        turns = 1 if preset.criteria else config.rounds
        parts = [measures] if config.calls == "all_in_one" else [[measure] for measure in measures]
        asked = [
            _shared(case, reply, part, measures, rulers, preset, config, turn)
            for turn in range(turns)
            for part in parts
        ]
    return [*asked, _bystander(case, reply, config)] if preset.bystander else asked


def person(case: Case, preset: Preset, notes: str = "") -> str:
    """Return what the preset lets the judge see of the person, one labelled JSON value a line."""
    seen = {
        "persona": line("persona", case.persona),
        "situation": line("situation", case.situation),
        "memories": line("memories", case.memories),
    }
    lines = [seen[name] for name in preset.sees]
    if notes:
        lines.append(line("notes", notes))
    return "\n".join(["About the person:", *lines]) if lines else "About the person nothing is known."


def _shared(
    case: Case,
    reply: Reply,
    part: Sequence[Measure],
    measures: Sequence[Measure],
    rulers: Rulers,
    preset: Preset,
    config: JudgeConfig,
    turn: int,
) -> Question:
    counts = {measure.name: len(rulers[measure.name]) if preset.criteria else 1 for measure in part}
    body = fill(
        load(PACKAGE, "case.md"),
        person=person(case, preset),
        query=line("query", case.query),
        rulers="\n".join(_block(measure, rulers.get(measure.name, ())) for measure in measures),
        reply="\n".join([*([line("notes", reply.notes)] if reply.notes else []), line("reply", reply.text)]),
        task=_task(part, counts, config),
    )
    whole = config.calls == "all_in_one"
    rules = "\n".join([load(PACKAGE, "judge.md"), fill(load(PACKAGE, "dimensions.md"), measures=described(measures))])
    return Question(
        messages=_messages(rules, body),
        schema=_schema(part, counts, whole=whole) if config.answers == "json" else None,
        read=lambda answer: _read(answer, part, counts, whole=whole),
        tag="judge all" if whole else f"judge {part[0].name}",
        seed=config.seed + turn,
    )


def _paper(case: Case, reply: Reply, measure: Measure, preset: Preset, config: JudgeConfig, turn: int) -> Question:
    body = fill(
        load(PACKAGE, "paper.md"),
        **_named(measure),
        asks=measure.asks,
        person=person(case, preset, reply.notes),
        query=line("query", case.query),
        reply=line("reply", reply.text),
    )
    scale = measure.scale
    return Question(
        messages=_messages(load(PACKAGE, "judge.md"), body),
        schema=None,
        read=lambda answer: {measure.name: boxed(answer.text, 1, scale.low, scale.high)},
        tag=f"judge {measure.name}",
        seed=config.seed + turn,
    )


def _bystander(case: Case, reply: Reply, config: JudgeConfig) -> Question:
    rubric = load_rubric()
    scale, names = rubric.bystander_scale, tuple(rubric.bystander)
    rules = fill(
        load(PACKAGE, "bystander.md"),
        low=str(scale.low),
        high=str(scale.high),
        measures="\n".join(f"- {name}: {asks}" for name, asks in rubric.bystander.items()),
    )
    wanted = "Answer with one JSON object of the five scores." if config.answers == "json" else _BOX_OF_FIVE
    body = fill(
        load(PACKAGE, "bystander_case.md"),
        query=line("query", case.query),
        reply=line("reply", reply.text),
        answer=wanted,
    )
    number = {"type": "integer", "minimum": scale.low, "maximum": scale.high}
    schema = {"title": BYSTANDER, **_object(dict.fromkeys(names, number))}

    def read(answer: Answer) -> Scores:
        if answer.value is None:
            return {BYSTANDER: boxed(answer.text, len(names), scale.low, scale.high)}
        return {BYSTANDER: tuple(float(answer.value[name]) for name in names)}

    return Question(
        _messages(rules, body), schema if config.answers == "json" else None, read, "judge bystander", config.seed
    )


_BOX_OF_FIVE = r"Answer with one line: the five scores in this order as \boxed{a, b, c, d, e}."


def _messages(system: str, body: str) -> tuple[Mapping[str, str], ...]:
    return ({"role": "system", "content": system.strip()}, {"role": "user", "content": body.strip()})


def described(measures: Sequence[Measure]) -> str:
    """Return what each dimension looks at and how its scale runs; the same for everybody, so it stands first of all."""
    return "\n".join(
        f"Dimension {one.name}: {one.asks} From {one.scale.low} ({one.low}) over the middle ({one.middle})"
        f" to {one.scale.high} ({one.high})."
        for one in measures
    )


def _block(measure: Measure, sets: Sequence[CriteriaSet]) -> str:
    return "\n".join(
        line(f"{measure.name} ruler {n}", [f"{c.weight:g} %: {c.text}" for c in ruler.criteria])
        for n, ruler in enumerate(sets, 1)
    )


def _task(part: Sequence[Measure], counts: Mapping[str, int], config: JudgeConfig) -> str:
    if config.calls == "all_in_one":
        answer = _how(sum(counts.values()), config, "dimension by dimension, ruler by ruler")
        names = ", ".join(measure.name for measure in part)
        return fill(load(PACKAGE, "score_all.md"), dimensions=names, answer=answer)
    name = part[0].name
    return fill(load(PACKAGE, "score.md"), dimension=name, answer=_how(counts[name], config, "ruler by ruler"))


def _how(count: int, config: JudgeConfig, order: str) -> str:
    if config.answers == "json":
        return "Answer with the JSON object of scores and nothing else."
    inside = ", ".join("score" for _ in range(count))
    return rf"End with one line that holds the scores, {order}, as \boxed{{{inside}}}."


def _named(measure: Measure) -> dict[str, str]:
    return {
        "dimension": measure.name,
        "low": str(measure.scale.low),
        "high": str(measure.scale.high),
        "low_means": measure.low,
        "middle_means": measure.middle,
        "high_means": measure.high,
    }


def _schema(part: Sequence[Measure], counts: Mapping[str, int], *, whole: bool) -> Mapping[str, Any]:
    by_name = {measure.name: _object(_numbers(measure, counts[measure.name])) for measure in part}
    return {"title": "scores", **(_object(by_name) if whole else by_name[part[0].name])}


def _numbers(measure: Measure, count: int) -> dict[str, Any]:
    kind = "number" if measure.scale.high - measure.scale.low == 1 else "integer"
    number = {"type": kind, "minimum": measure.scale.low, "maximum": measure.scale.high}
    return {f"ruler_{n}": number for n in range(1, count + 1)}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _read(answer: Answer, part: Sequence[Measure], counts: Mapping[str, int], *, whole: bool) -> Scores:
    if answer.value is not None:
        given = answer.value if whole else {part[0].name: answer.value}
        return {m.name: tuple(float(given[m.name][f"ruler_{n}"]) for n in range(1, counts[m.name] + 1)) for m in part}
    lows, highs = [m.scale.low for m in part], [m.scale.high for m in part]
    scores = boxed(answer.text, sum(counts.values()), max(lows), min(highs))
    found: Scores = {}
    for measure in part:
        found[measure.name], scores = scores[: counts[measure.name]], scores[counts[measure.name] :]
    return found
