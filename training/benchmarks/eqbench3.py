"""EQ-Bench 3: role-plays, drafts and analyses by a policy, scored by a judge under the benchmark's rubric; no Elo.

Scenarios, wording and criteria are those of a data directory (`attune-train data fetch eqbench3`). A policy answers
the prompts of a scenario one after the other and then looks back on it; an analysis is one answer. Of the judge's
scores of 0-20 those of ability count: their mean for a scenario, times five, averaged over scenarios. The judge
answers in constrained JSON, so figures compare with each other and not with the public leaderboard. A scenario with a
reply or a score missing is in no mean.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training.caller import Caller
from training.calls import Call, CallError
from training.endpoint import Endpoint
from training.errors import InputFileError

Kind = Literal["role play", "draft", "analysis"]

ABILITIES = frozenset(
    {
        *("demonstrated_empathy", "pragmatic_ei", "depth_of_insight", "social_dexterity", "emotional_reasoning"),
        *("message_tailoring", "theory_of_mind", "subtext_identification", "intellectual_grounding", "correctness"),
    }
)
"""Where more is better; the other criteria tell of style and do not count."""
_TOP = 20
_TEMPERATURE, _DEBRIEF_TEMPERATURE = 0.7, 0.5
_SCENARIO = re.compile(r"^######## *(\d+) *\|(.*)$", re.MULTILINE)
_PROMPT = re.compile(r"^####### *Prompt *\d+ *$", re.MULTILINE)
"""Other headings belong to the text, as the benchmark reads them; so one scenario of the pinned revision has none."""
_HOLE = re.compile(r"\{(scenario_prompt|transcript|debrief|output_format)\}")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario."""

    id: str
    kind: Kind
    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """How scenarios of one kind are asked and judged."""

    master: str
    """Around every prompt."""
    debrief: str | None
    """Asked at the end; None for an analysis."""
    rubric: str
    criteria: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What a policy earned."""

    score: float | None
    """0-100; None where nothing was scored."""
    by_kind: dict[Kind, float]
    by_criterion: dict[str, float]
    """The mean of each criterion on 0-20, those of style too."""
    scored: int
    unscored: dict[str, int]
    """Scenarios in no mean, by reason."""
    cut: int
    """Replies that ended at the policy's `max_tokens`; they were judged as they are."""


@dataclass(frozen=True, slots=True)
class _Played:
    kind: Kind
    scores: dict[str, float]
    cut: int


def read_scenarios(directory: Path) -> tuple[list[Scenario], dict[Kind, Form]]:
    """Return the scenarios of a data directory, and how each kind is asked.

    Raises:
        InputFileError: a file is missing, or holds no scenario.
    """
    directory = directory / "data" if (directory / "data").is_dir() else directory

    def text(name: str) -> str:
        try:
            return (directory / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputFileError(
                f"cannot read {directory / name}: {error}; get the files with `attune-train data fetch eqbench3`"
            ) from error

    heads = list(_SCENARIO.finditer(whole := text("scenario_prompts.txt")))
    ends = [*(head.start() for head in heads[1:]), len(whole)]
    found = [
        Scenario(head[1], _kind(head[1]), prompts)
        for head, end in zip(heads, ends, strict=True)
        if (prompts := tuple(filter(None, (part.strip() for part in _PROMPT.split(whole[head.end() : end])[1:]))))
    ]
    if not found:
        raise InputFileError(f"{directory / 'scenario_prompts.txt'} holds no scenario; get it again")
    played = (
        text("debrief_prompt.txt"),
        text("rubric_scoring_prompt.txt"),
        _names(text("rubric_scoring_criteria.txt")),
    )
    analysed = (None, text("rubric_scoring_prompt_analysis.txt"), _names(text("rubric_scoring_criteria_analysis.txt")))
    return found, {
        "role play": Form(text("scenario_master_prompt.txt"), *played),
        "draft": Form(text("scenario_master_prompt_message_drafting.txt"), *played),
        "analysis": Form(text("scenario_master_prompt_analysis.txt"), *analysed),
    }


async def run_eqbench3(
    scenarios: Sequence[Scenario],
    forms: dict[Kind, Form],
    policy: Endpoint,
    judge: Endpoint,
    cache: Path | None = None,
    seed: int = 0,
    done: Callable[[int, int], None] = lambda _done, _of: None,
) -> Result:
    """Play every scenario, have it judged, and add up.

    Raises:
        CallError: a server is not there.
    """
    finished = 0
    async with Caller.open(policy, cache) as plays, Caller.open(judge, cache) as judges:
        await plays.check()
        await judges.check()

        async def one(scenario: Scenario) -> _Played | str:
            nonlocal finished
            try:
                return await _played(scenario, forms[scenario.kind], plays, judges, seed)
            except CallError as error:
                if error.fatal:
                    raise
                return error.kind
            finally:
                finished += 1
                done(finished, len(scenarios))

        found = await asyncio.gather(*(one(scenario) for scenario in scenarios))
    return _result(found)


async def _played(scenario: Scenario, form: Form, policy: Caller, judge: Caller, seed: int) -> _Played:
    said: list[dict[str, str]] = []
    cut = 0

    async def ask(text: str, temperature: float) -> str:
        nonlocal cut
        messages = [*said, {"role": "user", "content": text}]
        answer = await policy.ask(Call(messages, temperature=temperature, seed=seed, tag="eqbench3"))
        cut += answer.cut
        return answer.text.strip()

    for prompt in scenario.prompts:
        text = _filled(form.master, scenario_prompt=prompt)
        reply = await ask(text, _TEMPERATURE)
        said += [{"role": "user", "content": text}, {"role": "assistant", "content": reply}]
    debrief = "" if form.debrief is None else await ask(form.debrief, _DEBRIEF_TEMPERATURE)
    wanted = json.dumps(dict.fromkeys(form.criteria, f"a whole number from 0 to {_TOP}"), indent=1)
    question = _filled(form.rubric, transcript=_transcript(said), debrief=debrief, output_format=wanted)
    schema = {
        "title": "eqbench3",
        "type": "object",
        "properties": {name: {"type": "integer", "minimum": 0, "maximum": _TOP} for name in form.criteria},
        "required": list(form.criteria),
        "additionalProperties": False,
    }
    call = Call(({"role": "user", "content": question},), schema, temperature=0.0, seed=seed, tag="eqbench3 judge")
    scores = (await judge.ask(call)).value
    return _Played(scenario.kind, {name: float(scores[name]) for name in form.criteria}, cut)


def _result(found: Sequence[_Played | str]) -> Result:
    played = [one for one in found if isinstance(one, _Played)]
    reasons = [one for one in found if isinstance(one, str)]
    kinds: dict[Kind, list[float]] = {}
    criteria: dict[str, list[float]] = {}
    for one in played:
        kinds.setdefault(one.kind, []).append(_earned(one))
        for name, score in one.scores.items():
            criteria.setdefault(name, []).append(score)
    scores = [_earned(one) for one in played]
    return Result(
        score=sum(scores) / len(scores) if scores else None,
        by_kind={kind: sum(values) / len(values) for kind, values in kinds.items()},
        by_criterion={name: sum(values) / len(values) for name, values in criteria.items()},
        scored=len(played),
        unscored={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        cut=sum(one.cut for one in played),
    )


def _earned(one: _Played) -> float:
    counted = [score for name, score in one.scores.items() if name in ABILITIES]
    return 100 / _TOP * sum(counted) / len(counted)


def _transcript(said: Sequence[dict[str, str]]) -> str:
    return "---\n".join(f"{one['role'].capitalize()}:\n{one['content']}\n" for one in said)


def _filled(template: str, **values: str) -> str:
    """Fill the holes of the benchmark's own templates, in one pass: what a policy wrote is never a template."""
    return _HOLE.sub(lambda hole: values.get(hole[1], hole[0]), template)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    if not ABILITIES & set(names):
        raise InputFileError("the rubric's criteria name no ability that is counted; get the files again")
    return names


def _kind(id: str) -> Kind:
    """The benchmark tells its kinds by number: drafts from 201, analyses from 401."""
    hundreds = int(id) // 100
    return "draft" if hundreds == 2 else "analysis" if hundreds == 4 else "role play"
