"""From persona and situation to a SupportPlan: which helping skills, in what order, in what tone. Pure.

Strategies are the helping skills of ESConv without self-disclosure, which an AI has none of. What speaks for each is
added up from the table in `support.toml`: the kind of message, what it asks for, and the person's trait means, used
continuously and relative to how far a mean of that certainty can be expected to lie from 50 (see `deviations`), so that
even a weak impression of a person changes their plan a little.

Seldom, never in distress, and only where little is known of a trait, a plan asks one open question about it.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal, cast

from assistant.language import detect_language
from assistant.safety.screen import Screen
from memory.template import load
from memory.types import CrisisLevel, Persona, Trait, TraitEstimate

Strategy = Literal[
    "question", "restatement", "reflection_of_feelings", "affirmation", "providing_suggestions", "information"
]
Category = Literal["emotional_support", "high_eq_interaction", "social_strategy", "everyday"]
Length = Literal["short", "medium", "long"]

Manner = Literal["neutral", "gentle", "plain", "lively", "quiet", "orderly", "open"]

ELICIT_FROM = 3
"""A conversation must have so many replies before one asks about the person."""
ELICIT_EVERY = 12
"""After a reply that asked, so many do not."""

_CLIP = 2.5
_FAINT = 0.1
"""Known share of a trait's variance below which an impression counts less and less; our choice."""
_UNKNOWN_SD, _LITTLE_EVIDENCE = 9.7, 8
_SHORT_WORDS, _LONG_WORDS = 6, 120
_RESERVED = -0.8
"""Below this deviation of extraversion replies are shorter."""
_SAMPLE = 4000
"""Of a very long message, so many characters from either end are read for signs."""
_CALM_FEELINGS = frozenset({"", "neutral", "calm", "content", "fine", "ok", "joy", "happy", "happiness", "gratitude"})
_CRISIS_STRATEGIES: tuple[Strategy, ...] = (
    "reflection_of_feelings",
    "question",
    "affirmation",
    "providing_suggestions",
)


@dataclass(frozen=True, slots=True)
class SupportPlan:
    """How to answer one message of one person."""

    category: Category
    strategies: tuple[Strategy, ...]
    """In the order in which the reply should use them."""
    tone: str
    directness: float
    """0 (indirect) to 1 (direct)."""
    structure: float
    """0 (leave all the room) to 1 (offer a clear structure)."""
    length: Length
    avoid: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    """One readable reason per choice, for `why`."""
    crisis: bool = False
    level: CrisisLevel = "none"
    """Of the screen; `crisis` is high or imminent."""
    crisis_categories: tuple[str, ...] = ()
    language: str = "en"
    """`en`, `es`, `de`, `fr`, `pt`, `zh`, `ja`, or `other`: in which fixed texts are worded."""
    style: tuple[str, ...] = ()
    """How to talk with this person, from the persona alone, so that it changes slowly."""
    warmth: float = 0.6
    """0 (matter-of-fact) to 1 (much reassurance)."""
    energy: float = 0.5
    """0 (quiet) to 1 (lively)."""
    signals: tuple[str, ...] = ()
    """What the message asks for: `asks_advice`, `asks_information`, `wants_to_be_heard`, `good_news`, `small_talk`."""
    manner: Manner = "neutral"
    """In which of a few voices the builtin responder speaks, from the persona alone."""
    asks_about: Trait | None = None
    """The trait that one open question of the reply is about."""

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Sign:
    pattern: re.Pattern[str]
    category: Category | None
    weight: float
    reason: str
    signal: str | None


def plan(
    message: str,
    persona: Persona | None,
    screen: Screen,
    feeling: str | None = None,
    *,
    asked_before: bool = False,
    may_elicit: bool = False,
) -> SupportPlan:
    """Return how to answer `message`; pure.

    `feeling` is the momentary feeling of the last reflection; `asked_before` says that the previous reply already asked
    a question, `may_elicit` (see there) that it is time for one about the person. An unknown persona gives a sensible
    neutral plan.
    """
    traits = deviations(persona)
    sample = message if len(message) <= 2 * _SAMPLE else f"{message[:_SAMPLE]}\n{message[-_SAMPLE:]}"
    category, reason = _category(sample, feeling)
    signals = _signals(sample, screen, asked_before)
    means = {trait: estimate.mean for trait, estimate in persona.estimates.items()} if persona is not None else {}
    style, avoid, tone, because = _wording(traits, means)
    dials = {dial: _dial(dial, traits, category, signals) for dial in ("directness", "structure", "warmth", "energy")}
    asks_about = None
    if screen.crisis:
        strategies, category, tone = _CRISIS_STRATEGIES, "emotional_support", "calm and steady"
        reason, avoid = f"the message was screened as {screen.level}", ("methods", "lectures", "promises of secrecy")
    else:
        strategies = _strategies(category, traits, signals)
        asks_about = _unknown(persona) if may_elicit and _has_room(category, screen, signals) else None
        if asks_about is not None:
            strategies = (*(one for one in strategies if one != "question"), "question")
        avoid = (*avoid, *(["advice"] if "wants_to_be_heard" in signals else []))
    return SupportPlan(
        category=category,
        strategies=strategies,
        tone=tone,
        directness=dials["directness"],
        structure=dials["structure"],
        length="medium" if screen.crisis else _length(message, signals, traits),
        avoid=avoid,
        because=(f"{category}: {reason}", *_signal_reasons(signals), *because),
        crisis=screen.crisis,
        level=screen.level,
        crisis_categories=screen.categories,
        language=screen.language if screen.level != "none" else detect_language(message),
        style=style,
        warmth=dials["warmth"],
        energy=dials["energy"],
        signals=signals,
        manner=_manner_of(traits),
        asks_about=asks_about,
    )


def may_elicit(plans: Sequence[Mapping[str, Any] | None]) -> bool:
    """Say whether it is time to ask about the person, from the plans of the earlier replies, oldest first."""
    if len(plans) < ELICIT_FROM:
        return False
    return all(not (plan or {}).get("asks_about") for plan in plans[-ELICIT_EVERY:])


def elicited(trait: Trait) -> str:
    """Return what a question about `trait` asks, as words for a language model."""
    return str(_table()["elicit"]["question"][trait])


def deviations(persona: Persona | None) -> dict[Trait, float]:
    """Return where each trait mean lies among the means of people known about as well, within ±2.5; else zeros.

    Where a share s of a trait's variance is known (s = 1 - sd² / 10²), the means of a population lie 10 · √s around 50.
    Dividing by that alone would act on mere noise as on certainty, so a faint impression counts less:

        deviation = (mean - 50) / (10 · √(s + 0.1 · (1 - s))).

    Somebody known for certain (s = 1) gets the plain z of their trait; of s = .01, as after a few telling sentences,
    a mean that lies a standard deviation of such means from 50 counts .3.
    """
    estimates = persona.estimates if persona is not None else {}
    return {trait: _deviation(estimates[trait]) if trait in estimates else 0.0 for trait in Trait}


def _deviation(estimate: TraitEstimate) -> float:
    known = max(0.0, 1.0 - (estimate.sd / 10.0) ** 2)
    return max(-_CLIP, min(_CLIP, (estimate.mean - 50.0) / (10.0 * math.sqrt(known + _FAINT * (1.0 - known)))))


def _unknown(persona: Persona | None) -> Trait | None:
    """The first trait, in the order in which they matter for support, of which next to nothing is known."""
    for name in _table()["elicit"]["order"] if persona is not None else ():
        estimate = persona.estimates.get(Trait(name)) if persona is not None else None
        if estimate is None or estimate.frozen:
            continue
        if estimate.sd > _UNKNOWN_SD and estimate.evidence_count < _LITTLE_EVIDENCE:
            return Trait(name)
    return None


def _has_room(category: Category, screen: Screen, signals: tuple[str, ...]) -> bool:
    """Whether a question about the person hurts nobody and keeps nobody waiting."""
    busy = {"asks_information", "asks_advice", "wants_to_be_heard", "asked_before", "concern", "small_talk", "loss"}
    return category == "everyday" and screen.level == "none" and not busy & set(signals)


def _manner_of(traits: Mapping[Trait, float]) -> Manner:
    """Return the manner for which the traits speak most, if they do so clearly."""
    table: Mapping[Manner, Mapping[str, float]] = _table()["manner"]["weights"]
    sums = {
        manner: sum(weight * traits[Trait(trait)] for trait, weight in weights.items())
        for manner, weights in table.items()
    }
    best = max(sums, key=lambda manner: sums[manner])
    return best if sums[best] >= _table()["manner"]["from"] else "neutral"


def _category(message: str, feeling: str | None) -> tuple[Category, str]:
    """Return the category whose signs weigh most, and why."""
    sums: dict[Category, float] = {}
    reasons: dict[Category, str] = {}
    for sign in _signs():
        if sign.category is not None and sign.pattern.search(message):
            sums[sign.category] = sums.get(sign.category, 0.0) + sign.weight
            reasons[sign.category] = sign.reason
    if (feeling or "").casefold() not in _CALM_FEELINGS:
        sums["emotional_support"] = sums.get("emotional_support", 0.0) + 0.5
        reasons.setdefault("emotional_support", f"felt {feeling} a moment ago")
    if not sums:
        return "everyday", "no sign of distress, conflict or a social goal"
    best = max(sums, key=lambda category: sums[category])
    return best, reasons[best]


def _signals(message: str, screen: Screen, asked_before: bool) -> tuple[str, ...]:
    found = [sign.signal for sign in _signs() if sign.signal is not None and sign.pattern.search(message)]
    if "wants_to_be_heard" in found and "asks_advice" in found:
        found.remove("asks_advice")
    if screen.level == "concern":
        found.append("concern")
    if asked_before:
        found.append("asked_before")
    return tuple(found)


def _strategies(category: Category, traits: Mapping[Trait, float], signals: tuple[str, ...]) -> tuple[Strategy, ...]:
    """Return the strategies that weigh enough, heaviest first; a question comes last, where it can be answered."""
    table = _table()
    sums: dict[str, float] = dict(table["category"][category])
    for trait, deviation in traits.items():
        for strategy, weight in table["trait"][trait].items():
            sums[strategy] += weight * deviation
    for signal in signals:
        for strategy, weight in table["signal"].get(signal, {}).items():
            sums[strategy] += weight
    ordered = sorted(sums, key=lambda strategy: -sums[strategy])
    chosen = [strategy for strategy in ordered if sums[strategy] >= table["use_from"]][: table["at_most"]]
    chosen = chosen or ordered[:1]
    return tuple(cast("list[Strategy]", sorted(chosen, key=lambda strategy: strategy == "question")))


def _dial(dial: str, traits: Mapping[Trait, float], category: Category, signals: tuple[str, ...]) -> float:
    """Return a dial between 0 and 1 from its base, the traits, the category and the signals."""
    weights: Mapping[str, float] = _table()["dial"][dial]
    value = weights["base"] + sum(weights.get(trait.value, 0.0) * deviation for trait, deviation in traits.items())
    value += weights.get(category, 0.0) + sum(weights.get(signal, 0.0) for signal in signals)
    return round(max(0.0, min(1.0, value)), 3)


def _wording(
    traits: Mapping[Trait, float], means: Mapping[Trait, float]
) -> tuple[tuple[str, ...], tuple[str, ...], str, tuple[str, ...]]:
    """Return style, what to avoid, tone and reasons, from the traits that stand out, the strongest first."""
    texts = _table()["style"]
    style, avoid, tones, because = [], ["platitudes", "diagnoses"], ["warm"], []
    for trait in sorted(traits, key=lambda trait: -abs(traits[trait])):
        deviation = traits[trait]
        if abs(deviation) < texts["from"]:
            continue
        side = "high" if deviation > 0 else "low"
        style.append(texts[trait][side])
        because.append(f"{trait} about {means[trait]:.0f}, {side} among such estimates: {texts[trait][side]}")
        if f"avoid_{side}" in texts[trait]:
            avoid.append(texts[trait][f"avoid_{side}"])
        if f"tone_{side}" in texts[trait]:
            tones.append(texts[trait][f"tone_{side}"])
    return tuple(style), tuple(avoid), " and ".join(tones[:3]), tuple(because)


def _length(message: str, signals: tuple[str, ...], traits: Mapping[Trait, float]) -> Length:
    words = len(message.split()) if message.isascii() else max(len(message.split()), len(message) // 3)
    if words < _SHORT_WORDS and "asks_advice" not in signals:
        return "short"
    roomy = words > _LONG_WORDS or "asks_advice" in signals
    if traits[Trait.EXTRAVERSION] <= _RESERVED:
        return "medium" if roomy else "short"
    return "long" if roomy else "medium"


def _signal_reasons(signals: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        f"the message {signal.replace('_', ' ')}" for signal in signals if signal.startswith(("asks", "wants"))
    )


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(load("assistant", "support.toml"))


@cache
def _signs() -> tuple[_Sign, ...]:
    return tuple(
        _Sign(
            re.compile("|".join(f"(?:{one})" for one in row["patterns"]), re.IGNORECASE),
            row.get("category"),
            row.get("weight", 0.0),
            row.get("reason", ""),
            row.get("signal"),
        )
        for row in _table()["sign"]
    )
