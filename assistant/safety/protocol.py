"""What is said in a crisis: guidance for a language model, fixed replies, and when the resource card is shown. Pure.

The fixed replies acknowledge, ask about safety, point to a person and to professional help, and hold no number and no
method. They vary over the turns of a conversation, so that nobody is asked the same thing again and again.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from assistant.safety.resources import card, card_text
from assistant.safety.screen import LEVELS, Screen
from memory.template import fill, load
from memory.types import CrisisLevel

_PACKAGE = "assistant.safety"
_FALLBACK = "en"
_QUESTIONS: Mapping[str, str] = {
    "self_harm": ", and whether they are thinking about ending their life",
    "harm_to_others": ", and whether they are close to acting on it",
    "abuse": " where they are",
    "eating_disorder": ", and how they are physically",
    "psychosis_or_mania": ", and whether anything tells them to hurt themselves or someone else",
}


def guidance(level: CrisisLevel, categories: Sequence[str] = ()) -> str:
    """Return the instructions that a language model gets with a message at `level`; empty below `high`."""
    if level not in ("high", "imminent"):
        return ""
    first = categories[0] if categories else "self_harm"
    return fill(
        load(_PACKAGE, "protocol.md"),
        level=level,
        categories=", ".join(categories).replace("_", " ") or "not known",
        question=_QUESTIONS.get(first, ""),
    ).strip()


def safe_reply(screen: Screen, country: str | None = None, turn: int = 0, *, said: Sequence[str] = ()) -> str:
    """Return a fixed supportive reply for what `screen` found, in its language.

    The first variant that does not stand in one of the replies already `said` is taken; without `said`, the one for the
    `turn`-th crisis turn. With a `country`, a first reply ends with where to turn there. A level below `high` is
    answered as `high`: the reply then stands in for one that was withdrawn.
    """
    language = screen.language if screen.language in _texts() else _FALLBACK
    variants = _variants(_texts()[language]["reply"], screen)
    used = [text for text in variants if any(text in reply for reply in said)] if said else variants[:turn]
    left = [text for text in variants if text not in used]
    text = left[0] if left else variants[-1 - (len(said) + turn) % min(2, len(variants))]
    if country is None or used:
        return text
    return f"{text}\n\n{card_text(card(country, language), language)}"


def show_card(previous_levels: Sequence[CrisisLevel | None], level: CrisisLevel) -> bool:
    """Whether this turn shows the resource card: at high or imminent, once per conversation, again when it rises.

    `previous_levels` are those of the person's earlier messages in this conversation.
    """
    if level not in ("high", "imminent"):
        return False
    highest = max((LEVELS.index(one) for one in previous_levels if one is not None), default=0)
    return highest < LEVELS.index("high") or LEVELS.index(level) > highest


def _variants(texts: Mapping[str, Any], screen: Screen) -> list[str]:
    """The replies for the most serious category, most fitting first, then those for staying in touch."""
    category = screen.categories[0] if screen.categories else "self_harm"
    imminent = screen.level == "imminent"
    if category == "self_harm" and imminent:
        first: list[str] = [*texts["self_harm_now"], *texts["self_harm"][1:]]
    elif imminent:
        first = [f"{texts['now']} {text}" for text in texts[category]]
    else:
        first = list(texts[category])
    return [*first, *texts["stay"]]


def languages() -> list[str]:
    """Return the languages of the fixed texts, which are those of the rules too."""
    return sorted(_texts())


def correction(reason: str, screen: Screen) -> str | None:
    """Return what takes the place of a reply that failed its screen for `reason`, a code of `unsafe.toml`.

    None where the crisis protocol's own reply belongs there: in a crisis, and after words that could do harm.
    """
    if screen.crisis:
        return None
    texts = _texts()
    text: str | None = texts.get(screen.language, texts[_FALLBACK])["correction"].get(reason)
    return text


@cache
def _texts() -> Mapping[str, Any]:
    return tomllib.loads(load(_PACKAGE, "replies.toml"))
