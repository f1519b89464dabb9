"""Which records are taken: by what is remembered of the person, and by what the person came for.

The filters are data in `select.toml`. The memories are looked at first, because that costs nothing; a model is asked
for the intents only where the source has none.
"""

from __future__ import annotations

import tomllib
from functools import cache

from pydantic import BaseModel, ConfigDict

from memory.template import load
from training.caller import Caller
from training.personaemp.drops import DroppedError
from training.personaemp.record import Record, RecordMemory
from training.personaemp.stage import Stage, answer_schema, dialogue

NONE = "None of these"


class Filters(BaseModel):
    """The content of `select.toml`; its comments say what each key means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    intents: tuple[str, ...]
    labels: tuple[str, ...]
    kinds: tuple[str, ...]
    unmapped: str
    suggestions: tuple[str, ...]

    def by_intents(self, intents: tuple[str, ...]) -> bool:
        """Say whether one of the intents, or subtypes, is wanted."""
        return any(wanted.casefold() in intent.casefold() for intent in intents for wanted in self.intents)

    def by_memory(self, memory: RecordMemory) -> bool:
        """Say whether a memory tells something personal."""
        if memory.error:
            return False
        if memory.label == self.unmapped:
            words = memory.label_suggestion.casefold().replace("/", " ").replace("_", " ").split()
            return any(word.startswith(wanted) for word in words for wanted in self.suggestions)
        return memory.label in self.kinds or memory.label.startswith(self.labels)


@cache
def filters() -> Filters:
    """Return the filters that are used."""
    return Filters.model_validate(tomllib.loads(load("training.personaemp", "select.toml")))


SELECT = Stage(
    "select",
    answer_schema(
        "intents",
        intents={
            "type": "array",
            "items": {"type": "string", "enum": [*filters().intents, NONE]},
            "minItems": 1,
            "maxItems": 12,
        },
    ),
    answer_tokens=20,
    max_tokens=200,
)


def check_memories(record: Record) -> None:
    """Return when something personal is known of the person.

    Raises:
        DroppedError: nothing is.
    """
    known = record.known()
    if not known:
        raise DroppedError("select", "no_memories" if not record.memories else "no_usable_memories")
    if not any(map(filters().by_memory, known)):
        raise DroppedError("select", "labels")


async def check_intents(record: Record, caller: Caller, seed: int) -> None:
    """Return when the person came for something that touches their life.

    Raises:
        DroppedError: they did not, or never said anything.
        CallError: the model could not answer.
    """
    intents = record.intents
    if intents is None:
        if not any(turn.role == "user" for turn in record.turns):
            raise DroppedError("select", "no_turns")
        answer = await caller.ask(SELECT.call(record.person, seed, turns=dialogue(record.turns)))
        intents = tuple(answer.value["intents"])
    if not filters().by_intents(intents):
        raise DroppedError("select", "intents")
