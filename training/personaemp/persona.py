"""A portrait of the person, or the judgement that too little is known of them for one."""

from __future__ import annotations

from dataclasses import dataclass

from training.caller import Caller
from training.personaemp.drops import DroppedError
from training.personaemp.record import ERROR_MARK, Record
from training.personaemp.stage import Stage, answer_schema, dialogue, numbered

PERSONA = Stage(
    "persona",
    answer_schema(
        "portrait",
        deep={"type": "boolean"},
        reason={"type": "string", "maxLength": 600},
        topics={"type": "array", "items": {"type": "string", "maxLength": 120}, "maxItems": 8},
        profile={"type": "string", "maxLength": 4000},
    ),
    answer_tokens=220,
    max_tokens=700,
)


@dataclass(frozen=True, slots=True)
class Portrait:
    """Who somebody is, as far as their history shows."""

    profile: str
    topics: tuple[str, ...]


async def paint(record: Record, caller: Caller, seed: int) -> Portrait:
    """Return the person's portrait.

    Raises:
        DroppedError: too little is known (`shallow`), the portrait is empty, or it repeats a rejected memory.
        CallError: the model could not answer.
    """
    memories = numbered(record.memories, record.known())
    call = PERSONA.call(record.person, seed, memories=memories, turns=dialogue(record.turns))
    answer = (await caller.ask(call)).value
    profile = answer["profile"].strip()
    if not answer["deep"]:
        raise DroppedError("persona", "shallow")
    if not profile:
        raise DroppedError("persona", "empty")
    if ERROR_MARK in profile:
        raise DroppedError("persona", "error_memory")
    return Portrait(profile, tuple(topic.strip() for topic in answer["topics"] if topic.strip()))
