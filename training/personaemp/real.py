"""Messages calling for empathy that a person really sent, with what had been said and was known when they sent them.

A model picks them out of the person's messages; what describes the moment of one is then asked with nothing later in
view. Crisis messages are no matter of training: making the prompt (`serving`) refuses them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.caller import Caller
from training.example import CATEGORIES, Category
from training.personaemp.drops import DroppedError, Drops
from training.personaemp.inspection import LANGUAGE
from training.personaemp.record import ERROR_MARK, Record, RecordMemory, Turn
from training.personaemp.stage import Stage, answer_schema, data, dialogue, numbered

_PICKED = answer_schema("picked", number={"type": "integer"}, category={"type": "string", "enum": list(CATEGORIES)})
REAL = Stage(
    "real",
    answer_schema("real", messages={"type": "array", "items": _PICKED, "maxItems": 12}),
    answer_tokens=20,
    max_tokens=300,
)
REAL_SITUATION = Stage(
    "real_situation",
    answer_schema("real_situation", situation={"type": "string", "minLength": 1, "maxLength": 1500}, language=LANGUAGE),
    answer_tokens=80,
    max_tokens=400,
)

_SHORTEST, _LONGEST = 12, 1_500
_SHOWN, _CHARS = 40, 8_000
"""The newest messages that come into question, at most so many and so long in all."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a message was sent."""

    situation: str
    language: str
    """Of the message."""


def candidates(record: Record) -> list[Turn]:
    """Return the messages that come into question, oldest first."""
    found: list[Turn] = []
    room = _CHARS
    for turn in reversed(record.turns):
        if turn.role == "user" and _SHORTEST <= len(turn.text.strip()) <= _LONGEST:
            room -= len(turn.text)
            if room < 0 or len(found) == _SHOWN:
                break
            found.append(turn)
    return found[::-1]


async def pick(record: Record, caller: Caller, seed: int, count: int, drops: Drops) -> list[tuple[Turn, Category]]:
    """Return at most `count` messages that call for empathy, with their category; others are counted in `drops`.

    Raises:
        CallError: the model could not answer.
    """
    shown = candidates(record)
    if not shown or count == 0:
        return []
    lines = "\n".join(
        json.dumps({"number": number, "text": turn.text}, ensure_ascii=False) for number, turn in enumerate(shown, 1)
    )
    answer = await caller.ask(REAL.call(record.person, seed, count=str(count), messages=lines))
    named = {one["number"]: one["category"] for one in reversed(answer.value["messages"])}
    existing = [(number, named[number]) for number in reversed(named) if 1 <= number <= len(shown)]
    drops.add("real", "no_such_message", len(named) - len(existing))
    drops.add("real", "over_limit", max(0, len(existing) - count))
    return [(shown[number - 1], category) for number, category in existing[:count]]


def before(record: Record, turn: Turn) -> tuple[Turn, ...]:
    """Return what was said before a turn in its conversation, oldest first."""
    place = next(place for place, one in enumerate(record.turns) if one.id == turn.id)
    return tuple(one for one in record.turns[:place] if one.conversation == turn.conversation)


async def describe(
    record: Record, turn: Turn, history: Sequence[Turn], known: Sequence[RecordMemory], caller: Caller, seed: int
) -> Moment:
    """Return the moment in which a message was sent, from what had been said and was known then.

    Raises:
        DroppedError: the description repeats a rejected memory.
        CallError: the model could not answer.
    """
    call = REAL_SITUATION.call(
        record.person,
        seed,
        memories=numbered(record.memories, known),
        turns=dialogue(history),
        query=data(turn.text),
    )
    answer: dict[str, Any] = (await caller.ask(call)).value
    situation = answer["situation"].strip()
    if not situation or ERROR_MARK in situation:
        raise DroppedError("real_situation", "error_memory" if situation else "empty")
    return Moment(situation, answer["language"])
