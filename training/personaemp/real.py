"""Messages calling for empathy that a person really sent, with what had been said and was known when they sent them.

A model picks them out of the person's messages; what describes the moment of one is then asked with nothing later in
view. Crisis messages are no matter of training and are left out before anybody is asked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from assistant.safety.screen import CONTEXT_MESSAGES, screen
from training.calls import Caller
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
class RealQuery:
    """A message with its moment."""

    turn: Turn
    category: Category
    situation: str
    language: str
    history: tuple[Turn, ...]
    """What was said before it in its conversation, oldest first."""
    memories: tuple[RecordMemory, ...]
    """What was known when it was sent."""


def candidates(record: Record) -> list[Turn]:
    """Return the messages that come into question, oldest first."""
    found: list[Turn] = []
    room = _CHARS
    for place in range(len(record.turns) - 1, -1, -1):
        turn = record.turns[place]
        fits = turn.role == "user" and _SHORTEST <= len(turn.text.strip()) <= _LONGEST
        if fits and not screen(turn.text, _said_before(record, place)).crisis:
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


async def describe(record: Record, turn: Turn, category: Category, caller: Caller, seed: int) -> RealQuery:
    """Return the message with its moment, of which nothing later is known.

    Raises:
        DroppedError: the description repeats a rejected memory.
        CallError: the model could not answer.
    """
    place = record.turns.index(turn)
    history = tuple(one for one in record.turns[:place] if one.conversation == turn.conversation)
    known = record.known_at(turn)
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
    return RealQuery(turn, category, situation, answer["language"], history, known)


def _said_before(record: Record, place: int) -> list[str]:
    """The person's last words before a turn in its conversation, oldest first."""
    here = record.turns[place].conversation
    said: list[str] = []
    for one in reversed(record.turns[:place]):
        if one.conversation != here or len(said) == CONTEXT_MESSAGES:
            break
        if one.role == "user":
            said.append(one.text)
    return said[::-1]
