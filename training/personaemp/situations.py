"""Everyday moments of a person, each grounded in numbered memories that exist and may be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.caller import Caller
from training.example import CATEGORIES, Category
from training.personaemp.drops import DroppedError
from training.personaemp.persona import Portrait
from training.personaemp.record import ERROR_MARK, Record, RecordMemory
from training.personaemp.stage import Stage, answer_schema, data, numbered

_ONE = answer_schema(
    "situation",
    category={"type": "string", "enum": list(CATEGORIES)},
    situation={"type": "string", "minLength": 1, "maxLength": 1500},
    memories={"type": "array", "items": {"type": "integer"}, "maxItems": 12},
)
SITUATIONS = Stage(
    "situations",
    answer_schema("situations", situations={"type": "array", "items": _ONE, "maxItems": 12}),
    answer_tokens=260,
    max_tokens=1200,
)


@dataclass(frozen=True, slots=True)
class Situation:
    """A moment just before the person writes."""

    category: Category
    text: str
    memories: tuple[RecordMemory, ...]
    """What it rests on."""


async def imagine(record: Record, portrait: Portrait, caller: Caller, seed: int, count: int) -> list[Mapping[str, Any]]:
    """Return the moments as a model wrote them, unchecked; see `ground`.

    Raises:
        DroppedError: it found none.
        CallError: the model could not answer.
    """
    call = SITUATIONS.call(
        record.person,
        seed,
        count=str(count),
        persona=data(portrait.profile),
        topics=data(", ".join(portrait.topics)),
        memories=numbered(record.memories, record.known()),
    )
    found: list[Mapping[str, Any]] = (await caller.ask(call)).value["situations"]
    if not found:
        raise DroppedError("situations", "none")
    return found


def ground(record: Record, written: Mapping[str, Any]) -> Situation:
    """Return a written moment with the memories it names.

    Raises:
        DroppedError: it names none, one that does not exist, one that was rejected, or one that no longer holds.
    """
    text = written["situation"].strip()
    if not written["memories"]:
        raise DroppedError("situations", "ungrounded")
    if not text or ERROR_MARK in text:
        raise DroppedError("situations", "error_memory" if text else "empty")
    numbers = list(dict.fromkeys(written["memories"]))
    return Situation(written["category"], text, tuple(_memory(record, number) for number in numbers))


def _memory(record: Record, number: int) -> RecordMemory:
    if not 1 <= number <= len(record.memories):
        raise DroppedError("situations", "no_such_memory")
    memory = record.memories[number - 1]
    if memory.error:
        raise DroppedError("situations", "error_memory")
    if memory.until is not None:
        raise DroppedError("situations", "outdated_memory")
    return memory
