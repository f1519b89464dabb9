"""What a reflection found, kept all at once or not at all.

The facts, the trait evidence and the note on the job which facts are still to be indexed are one transaction. So a job
that is killed and runs again either reflects anew, or finds that nothing but the indexing is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.database import Database
from memory.errors import ConflictError
from memory.ledger import tables
from memory.ledger.facts import add_fact, fingerprint
from memory.ledger.forgotten import was_forgotten
from memory.ledger.trait_controls import learnable
from memory.ledger.traits import add_trait_evidence
from memory.types import Fact, Job, Reflection

FACT_IDS = "fact_ids"
"""Where a job's payload names the facts that its reflection added, once they are kept."""

REPLACES = "replaces"
"""Where it names, by new fact, the facts that a language model says are replaced; absent where none was asked."""

_jobs = tables.jobs


class JobLostError(ConflictError):
    """The job is not this worker's any more: its lease ran out, or it was deleted with its conversation."""


class Reflections:
    """What reflections found."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(
        self, job: Job, worker_id: str, conversation_id: str, reflection: Reflection, *, final: bool = True
    ) -> list[Fact]:
        """Store the facts and trait evidence that a running job found, and return the facts.

        What is not `final` is kept again, with the rest, by the same job; the same findings count once.

        Raises:
            JobLostError: the job is not this worker's any more; nothing was stored.
            NotFoundError: the conversation, or a message that something rests on, is gone; nothing was stored.
        """
        async with self._database.writing() as connection:
            held = (_jobs.c.id == job.id, _jobs.c.status == "running", _jobs.c.worker_id == worker_id)
            if (await connection.execute(select(_jobs.c.id).where(*held).with_for_update())).first() is None:
                raise JobLostError(f"job {job.id} is not held by {worker_id} any more")
            reflection = await _unforgotten(connection, job.person_id, reflection)
            facts = [await add_fact(connection, job.person_id, new) for new in reflection.facts]
            for observed in await learnable(connection, job.person_id, reflection.traits):
                await add_trait_evidence(connection, job.person_id, conversation_id, observed)
            if not final:
                return facts
            payload = {**job.payload, FACT_IDS: list(dict.fromkeys(fact.id for fact in facts))}
            if reflection.by == "model":
                payload[REPLACES] = replacements(facts, reflection)
            await connection.execute(update(_jobs).where(_jobs.c.id == job.id).values(payload=payload))
        return facts


def replacements(facts: Sequence[Fact], reflection: Reflection) -> dict[str, list[str]]:
    """Return which facts each kept fact is said to replace; `facts` are those of the reflection, in its order."""
    replaces: dict[str, list[str]] = {}
    for fact, new in zip(facts, reflection.facts, strict=True):
        if new.replaces:
            replaces.setdefault(fact.id, []).extend(new.replaces)
    return replaces


async def _unforgotten(connection: AsyncConnection, person_id: str, reflection: Reflection) -> Reflection:
    """Leave out what the person had forgotten after all the messages that say it."""
    kept = [
        new
        for new in reflection.facts
        if not await was_forgotten(
            connection, person_id, fingerprint(new.text), [one.message_id for one in new.evidence]
        )
    ]
    return replace(reflection, facts=tuple(kept))
