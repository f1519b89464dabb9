"""Building the index again from the ledger, which is the truth."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

from assistant.runtime import Runtime
from memory import mending


class Rebuilt(BaseModel):
    """How far a rebuild is."""

    model_config = ConfigDict(frozen=True)

    type: Literal["rebuilt"] = "rebuilt"
    phase: Literal["people"] = "people"
    done: int
    total: int
    people: int
    facts: int


async def rebuild(runtime: Runtime) -> AsyncIterator[Rebuilt]:
    """Drop and rebuild each person's index; yields after each person."""
    await runtime.embedder.ready()
    people = await runtime.ledger.facts.people_with_facts()
    facts = 0
    for number, person_id in enumerate(people, start=1):
        facts += await mending.rebuild(runtime.ledger, runtime.index, person_id)
        yield Rebuilt(done=number, total=len(people), people=number, facts=facts)
