"""The optional questionnaires: what is asked, and how answers become T-scores. Pure.

Two forms of public-domain IPIP items: the Mini-IPIP (20) and the Big-Five factor markers (50), of which it is a part.
Sources, norms and what of them is our assumption stand in `questionnaire.toml`. A T-score here is counted in standard
deviations of the trait itself, so that the posterior, which knows the form's reliability, shrinks it only once.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from memory.template import load
from memory.types import Trait

Length = Literal[20, 50]


@dataclass(frozen=True, slots=True)
class Question:
    """One statement to agree or disagree with."""

    id: str
    """The same for the same statement in both forms."""
    text: str
    """In the first person."""
    trait: Trait
    key: Literal[-1, 1]
    """-1 where agreeing speaks for a low trait."""


@dataclass(frozen=True, slots=True)
class Form:
    """One questionnaire."""

    name: str
    """Under which answers are stored: `mini-ipip-20` or `ipip-50`."""
    title: str
    questions: tuple[Question, ...]
    reliability: Mapping[Trait, float]


@cache
def form(length: Length) -> Form:
    """Return the form with so many items."""
    return next(one for one in _forms() if len(one.questions) == length)


def reliability(name: str | None, trait: Trait) -> float | None:
    """Return the reliability of the scale for `trait` in the form of this name; None for a form not known here."""
    return next((one.reliability[trait] for one in _forms() if one.name == name), None)


def t_scores(asked: Form, answers: Mapping[str, int]) -> dict[Trait, float]:
    """Return a T-score per trait from answers of 1 (very inaccurate) to 5 (very accurate).

    Raises:
        ValueError: an answer is missing, too many, or not from 1 to 5; the message names the questions.
    """
    wanted = {question.id for question in asked.questions}
    if wrong := sorted(wanted ^ set(answers), key=_number):
        raise ValueError(f"answer exactly the {len(wanted)} questions of {asked.name}; missing or unknown: {wrong}")
    if outside := [id for id, answer in answers.items() if not 1 <= answer <= 5]:
        raise ValueError(f"answers go from 1 to 5; outside: {sorted(outside, key=_number)}")
    scores = {}
    for trait in Trait:
        norm = _table()["norms"][trait]
        said = [
            answers[question.id] if question.key > 0 else 6 - answers[question.id]
            for question in asked.questions
            if question.trait == trait
        ]
        scores[trait] = 50.0 + 10.0 * (sum(said) / len(said) - norm["mean"]) / norm["sd"]
    return scores


def instructions() -> str:
    """Return what is said before the questions."""
    return str(_table()["instructions"])


def scale() -> tuple[str, ...]:
    """Return what the answers 1 to 5 mean, in that order."""
    return tuple(_table()["scale"])


def _number(id: str) -> tuple[int, str]:
    digits = id.removeprefix("q")
    return (int(digits) if digits.isdecimal() else 0, id)


@cache
def _forms() -> tuple[Form, ...]:
    rows = {
        row["number"]: Question(
            f"q{row['number']}", f"I {row['text'][0].lower()}{row['text'][1:]}", Trait(row["trait"]), row["key"]
        )
        for row in _table()["item"]
    }
    return tuple(
        Form(
            name,
            made["title"],
            tuple(rows[number] for number in made["numbers"]),
            MappingProxyType({Trait(trait): alpha for trait, alpha in made["reliability"].items()}),
        )
        for name, made in _table()["form"].items()
    )


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(load("memory.persona", "questionnaire.toml"))
