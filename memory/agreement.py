"""Whether the index holds exactly the active facts of the ledger, person by person; it changes nothing.

It may be asked while people talk: whose facts are just being put in or taken out is told apart, not held for damage.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from memory.errors import IndexUnavailableError
from memory.index import Index
from memory.ledger.ledger import Ledger
from memory.types import JobStatus

_UNFINISHED: tuple[JobStatus, ...] = ("pending", "running")
_LOOKS, _BETWEEN_S = 4, 0.5
"""So often, and so far apart, people are compared of whom the two differ: what is written by hand, restored or declined
reaches the index a moment after the ledger."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was found in ledger and index, of everybody."""

    people: int = 0
    """Who has active facts, or anything in the index."""
    facts: int = 0
    """Active ones, in the ledger."""
    missing: int = 0
    """Facts that the index lacks."""
    orphaned: int = 0
    """What the index holds and the ledger does not hold active."""
    settling: int = 0
    """People of whom the two differ while something is still being learned or forgotten; nothing of theirs counts as
    missing or orphaned."""
    unreadable: int = 0
    """People whose index cannot be read."""

    @property
    def whole(self) -> bool:
        """Whether nothing needs repair."""
        return not (self.missing or self.orphaned or self.unreadable)


async def agreement(ledger: Ledger, index: Index) -> Agreement:
    """Compare the two for everybody.

    Raises:
        MemoryLayerError: the ledger, or the place of the index as a whole, cannot be read.
    """
    people = {*await ledger.facts.people_with_facts(), *await index.people()}
    facts = settling = unreadable = 0
    differing: dict[str, tuple[set[str], set[str]]] = {}
    for person_id in sorted(people):
        try:
            active, indexed = await _held(ledger, index, person_id)
        except IndexUnavailableError:
            unreadable += 1
            facts += await ledger.facts.count(person_id)
            continue
        facts += len(active)
        if active != indexed:
            differing[person_id] = (active - indexed, indexed - active)
    for _ in range(_LOOKS):
        if not differing:
            break
        await asyncio.sleep(_BETWEEN_S)
        for person_id, (lacking, beyond) in [*differing.items()]:
            if await _unfinished(ledger, person_id):
                settling += 1
                del differing[person_id]
                continue
            active, indexed = await _held(ledger, index, person_id)
            differing[person_id] = lacking & (active - indexed), beyond & (indexed - active)
            if not any(differing[person_id]):
                del differing[person_id]
    missing, orphaned = (sum(len(found[at]) for found in differing.values()) for at in (0, 1))
    return Agreement(len(people), facts, missing, orphaned, settling, unreadable)


async def _held(ledger: Ledger, index: Index, person_id: str) -> tuple[set[str], set[str]]:
    active = {fact.id async for fact in ledger.facts.all_active(person_id)}
    return active, await index.ids(person_id)


async def _unfinished(ledger: Ledger, person_id: str) -> bool:
    return any([await ledger.jobs.list(status, person_id, limit=1) for status in _UNFINISHED])
