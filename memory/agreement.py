"""Whether the index holds exactly the active facts of the ledger, person by person; it changes nothing.

It may be asked while people talk: whose facts are just being put in or taken out is told apart, not held for damage.
"""

from __future__ import annotations

from dataclasses import dataclass

from memory.errors import IndexUnavailableError
from memory.index import Index
from memory.ledger.ledger import Ledger
from memory.types import JobStatus

_UNFINISHED: tuple[JobStatus, ...] = ("pending", "running")


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
    facts = missing = orphaned = settling = unreadable = 0
    for person_id in sorted(people):
        try:
            active, indexed = await _held(ledger, index, person_id)
            if active != indexed and await _unfinished(ledger, person_id):
                settling += 1
                indexed = active
            elif active != indexed:  # what was going on when they were read may have ended since
                active, indexed = await _held(ledger, index, person_id)
        except IndexUnavailableError:
            unreadable += 1
            facts += await ledger.facts.count(person_id)
            continue
        facts += len(active)
        missing += len(active - indexed)
        orphaned += len(indexed - active)
    return Agreement(len(people), facts, missing, orphaned, settling, unreadable)


async def _held(ledger: Ledger, index: Index, person_id: str) -> tuple[set[str], set[str]]:
    active = {fact.id async for fact in ledger.facts.all_active(person_id)}
    return active, await index.ids(person_id)


async def _unfinished(ledger: Ledger, person_id: str) -> bool:
    return any([await ledger.jobs.list(status, person_id, limit=1) for status in _UNFINISHED])
