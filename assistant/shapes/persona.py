"""The five traits, and the questionnaire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from assistant.shapes.base import Request, Response

TraitName = Literal["openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism"]
TraitLevel = Literal["low", "medium", "high"]


class TraitQuote(Response):
    """Words of the person that speak to a trait."""

    quote: str
    at: datetime
    direction: Literal[-1, 1]
    """1 where they speak for a high trait."""
    strength: float
    item: str | None = None
    """The questionnaire item they are nearest to, where there is one."""
    message_id: str
    conversation_id: str


class TraitPoint(Response):
    """The estimate as it stood at the end of a day."""

    at: datetime
    mean: float
    sd: float


class TraitView(Response):
    """What is believed of one trait, as T-scores (50 is the average, 10 the standard deviation among people)."""

    trait: TraitName
    mean: float
    sd: float
    interval: tuple[float, float]
    """Between which the trait lies with 80 % probability."""
    level: TraitLevel | None = None
    label: str
    """`low`, `medium`, `high` or `not yet known`."""
    probability: float
    """Of the likeliest level, shown or not; one third where nothing is known."""
    leaning: Literal["low", "high"] | None = None
    """Where no level is shown, the side that is a little likelier."""
    source: Literal["nothing", "conversations", "questionnaire", "correction"]
    """On what the estimate rests most."""
    evidence_count: int
    frozen: bool = False
    frozen_at: datetime | None = None
    quotes: list[TraitQuote] = []
    history: list[TraitPoint] = []


class PersonaView(Response):
    """`GET /v1/me/persona`."""

    enabled: bool
    """False when the person turned it off: nothing is added to it, and no reply uses it."""
    version: str
    traits: list[TraitView]
    note: str


class TraitChange(Request):
    """`PATCH /v1/me/persona`: say how it is, by a level or a T-score, and let the trait stand still or move."""

    trait: TraitName
    level: TraitLevel | None = None
    t_score: float | None = Field(default=None, ge=20, le=80)
    frozen: bool | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> TraitChange:
        if self.level is not None and self.t_score is not None:
            raise ValueError("give a level or a t_score, not both")
        if self.level is None and self.t_score is None and self.frozen is None:
            raise ValueError("give a level, a t_score or frozen")
        return self


class PersonaForgotten(Response):
    """The receipt of `DELETE /v1/me/persona`; the same messages teach these traits nothing any more."""

    traits: list[TraitName]
    withdrawn: int
    """How many observations are gone."""


class Question(Response):
    """One statement of a questionnaire."""

    id: str
    text: str


class Questionnaire(Response):
    """`GET /v1/me/persona/questionnaire`."""

    name: str
    title: str
    instructions: str
    scale: list[str]
    """What the answers 1 to 5 mean, in that order."""
    questions: list[Question]
    reliability: dict[str, float]
    norms: str


class QuestionnaireAnswers(Request):
    """`POST /v1/me/persona/questionnaire`: an answer from 1 to 5 to each question, by its id."""

    answers: dict[Annotated[str, Field(max_length=8)], Annotated[int, Field(ge=1, le=5)]] = Field(max_length=50)
