"""The one message that a person writes in a situation."""

from __future__ import annotations

from training.caller import Caller
from training.personaemp.drops import DroppedError
from training.personaemp.near import fold
from training.personaemp.persona import Portrait
from training.personaemp.record import ERROR_MARK, Record, RecordMemory
from training.personaemp.situations import Situation
from training.personaemp.stage import Stage, answer_schema, data, dialogue, numbered

QUERY = Stage(
    "query",
    answer_schema("query", query={"type": "string", "minLength": 1, "maxLength": 2000}),
    answer_tokens=55,
    max_tokens=500,
)

_TURNS, _CHARS = 6, 1_500
_RECITED = 40
"""A memory at least this long that stands in a query word for word was recited."""


async def write_query(record: Record, portrait: Portrait, situation: Situation, caller: Caller, seed: int) -> str:
    """Return what the person writes.

    Raises:
        DroppedError: it is empty, recites a memory or shows a rejected one.
        CallError: the model could not answer.
    """
    own = [turn for turn in record.turns if turn.role == "user"]
    call = QUERY.call(
        record.person,
        seed,
        persona=data(portrait.profile),
        memories=numbered(record.memories, situation.memories),
        situation=data(situation.text),
        turns=dialogue(own, _TURNS, _CHARS),
    )
    query: str = (await caller.ask(call)).value["query"].strip()
    if not query:
        raise DroppedError("query", "empty")
    if ERROR_MARK in query:
        raise DroppedError("query", "error_memory")
    if any(_recites(query, memory) for memory in situation.memories):
        raise DroppedError("query", "recites_memory")
    return query


def _recites(query: str, memory: RecordMemory) -> bool:
    return len(memory.text) >= _RECITED and fold(memory.text) in fold(query)
