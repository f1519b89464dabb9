"""The check of a written query with the persona and all that is remembered in view."""

from __future__ import annotations

from training.caller import Caller
from training.personaemp.drops import DroppedError
from training.personaemp.persona import Portrait
from training.personaemp.record import Record
from training.personaemp.situations import Situation
from training.personaemp.stage import Stage, answer_schema, data, numbered

LANGUAGE = {"type": "string", "pattern": "^([a-z]{2}|und)$"}

INSPECTION = Stage(
    "inspection",
    answer_schema(
        "inspection",
        needs_support={"type": "boolean"},
        consistent={"type": "boolean"},
        in_role={"type": "boolean"},
        language=LANGUAGE,
    ),
    answer_tokens=30,
    max_tokens=100,
)

_REASONS = (("consistent", "inconsistent"), ("in_role", "out_of_role"), ("needs_support", "needs_no_support"))
"""In the order in which a query that fails several checks is counted, once."""


async def inspect(
    record: Record, portrait: Portrait, situation: Situation, query: str, caller: Caller, seed: int
) -> str:
    """Return the language of a query that passes.

    Raises:
        DroppedError: a check failed.
        CallError: the model could not answer.
    """
    call = INSPECTION.call(
        record.person,
        seed,
        persona=data(portrait.profile),
        memories=numbered(record.memories, record.known()),
        situation=data(situation.text),
        query=data(query),
    )
    answer = (await caller.ask(call)).value
    for key, reason in _REASONS:
        if not answer[key]:
            raise DroppedError("inspection", reason)
    language: str = answer["language"]
    return language
