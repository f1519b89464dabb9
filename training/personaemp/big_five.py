"""The five levels of a person: what is believed of them where there is a belief, a model's judgement otherwise.

A belief from text lies near the middle, because it is cautious. It becomes a level by the thirds of what can be
expected of people known about as well: their means scatter around 50 with a variance of 10² less the posterior's.
Where both are there the belief counts, and how far the two agree is reported.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

from training.caller import Caller
from training.example import TRAITS, Level, Trait
from training.personaemp.persona import Portrait
from training.personaemp.record import Posterior, Record
from training.personaemp.split import LEVELS
from training.personaemp.stage import Stage, answer_schema, data, dialogue, numbered

BIG_FIVE = Stage(
    "big_five",
    answer_schema("big_five", **{trait: {"type": "string", "enum": list(LEVELS)} for trait in TRAITS}),
    answer_tokens=45,
    max_tokens=120,
)

_MEAN, _SD = 50.0, 10.0
_THIRD = NormalDist().inv_cdf(2 / 3)
_KNOWN_SD = 9.95
"""With a wider posterior than this nothing is known that could order people."""


async def levels(record: Record, portrait: Portrait, caller: Caller, seed: int) -> dict[Trait, Level]:
    """Return a model's judgement of all five traits.

    Raises:
        CallError: the model could not answer.
    """
    memories = numbered(record.memories, record.known())
    turns = dialogue(record.turns)
    call = BIG_FIVE.call(record.person, seed, persona=data(portrait.profile), memories=memories, turns=turns)
    answer = (await caller.ask(call)).value
    return {trait: answer[trait] for trait in TRAITS}


def believed(posterior: Posterior) -> Level | None:
    """Return the level that a belief stands for; None where too little is known to tell."""
    if posterior.level is not None:
        return posterior.level
    if posterior.evidence < 1 or posterior.sd >= _KNOWN_SD:
        return None
    expected = math.sqrt(_SD**2 - posterior.sd**2)
    deviation = (posterior.mean - _MEAN) / expected
    return "low" if deviation < -_THIRD else "high" if deviation > _THIRD else "medium"


def settled(record: Record, judged: Mapping[Trait, Level]) -> dict[Trait, Level]:
    """Return the levels that count: beliefs first, a model's judgement for the rest."""
    beliefs = {trait: believed(posterior) for trait, posterior in record.traits.items()}
    return {trait: beliefs.get(trait) or judged[trait] for trait in TRAITS}


class Agreement:
    """How far beliefs and a model's judgement agree, trait by trait."""

    def __init__(self) -> None:
        self._pairs: dict[Trait, Counter[tuple[Level, Level]]] = {trait: Counter() for trait in TRAITS}

    def add(self, record: Record, judged: Mapping[Trait, Level]) -> None:
        """Count the traits of which there is a belief."""
        for trait, posterior in record.traits.items():
            level = believed(posterior)
            if level is not None:
                self._pairs[trait][level, judged[trait]] += 1

    def table(self) -> dict[str, Any]:
        """Return people, the share of equal levels and Cohen's kappa by trait; nothing where there was no belief."""
        return {trait: _agreement(pairs) for trait, pairs in self._pairs.items() if pairs}


def _agreement(pairs: Counter[tuple[Level, Level]]) -> dict[str, Any]:
    total = pairs.total()
    equal = sum(count for (one, other), count in pairs.items() if one == other) / total
    ours = Counter[Level]()
    theirs = Counter[Level]()
    for (one, other), count in pairs.items():
        ours[one] += count
        theirs[other] += count
    by_chance = sum(ours[level] * theirs[level] for level in LEVELS) / total**2
    kappa = None if by_chance == 1 else round((equal - by_chance) / (1 - by_chance), 3)
    return {"people": total, "equal": round(equal, 3), "kappa": kappa}
