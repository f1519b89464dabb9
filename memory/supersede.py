"""Ends the facts that newer ones replace: kept as history in the ledger, gone from the index.

What a language model names is only a proposal: it holds if the old fact is this person's, active, older and near in
meaning to the new one. Without a model the rules of reflect/changes.py decide. Whatever is doubtful stays.
Doing all of it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from memory.errors import ConflictError, NotFoundError
from memory.ledger.ledger import Ledger
from memory.reflect.changes import Stated, stated_changes
from memory.types import Fact

NEAREST = 64
"""So many neighbours of a new fact are looked at."""
MIN_COSINE = 0.25
"""A fact that says what became of another is at least so near to it; unrelated ones are rarely."""


class Neighbours(Protocol):
    """Where the facts near to a text are found, and dropped."""

    async def search(self, person_id: str, query: str, limit: int) -> list[tuple[str, float]]:
        """Return the ids of the facts nearest to `query` with their cosine.

        Raises:
            MemoryLayerError: they could not be searched.
        """
        ...

    async def forget(self, person_id: str, fact_ids: Sequence[str]) -> None:
        """Remove the facts.

        Raises:
            MemoryLayerError: they could not be removed.
        """
        ...


async def end_replaced(
    ledger: Ledger, index: Neighbours, facts: Sequence[Fact], proposed: Mapping[str, Collection[str]] | None
) -> list[str]:
    """End what these facts of one person, findable by now, replace; return the ids of what was ended.

    Args:
        ledger: where the facts stand.
        index: where they are findable.
        facts: the new ones.
        proposed: which facts a language model says each of them replaces, by id; None decides by rules.

    Raises:
        MemoryLayerError: the ledger or the index failed; doing it again completes it.
    """
    gone: list[str] = []
    for fact in facts:
        if proposed is not None:
            ended = await _confirmed(ledger, index, fact, proposed.get(fact.id, ()))
        else:
            ended = await _by_rules(ledger, index, fact)
        for old in ended:
            if await _end(ledger, old, fact):
                gone.append(old.id)
    if gone:
        await index.forget(facts[0].person_id, gone)
    return gone


async def _confirmed(ledger: Ledger, index: Neighbours, fact: Fact, proposed: Collection[str]) -> list[Fact]:
    if not proposed:
        return []
    near = await _near(ledger, index, fact, fact.text)
    return [old for old, cosine in near if old.id in proposed and cosine >= MIN_COSINE]


async def _by_rules(ledger: Ledger, index: Neighbours, fact: Fact) -> list[Fact]:
    ended: dict[str, Fact] = {}
    for stated in _stated(fact):
        near = await _near(ledger, index, fact, fact.text)
        if stated.change.probe:
            known = {old.id for old, _ in near}
            near += [
                (old, 1.0 if stated.change.floor == 0 else cosine)
                for old, cosine in await _near(ledger, index, fact, stated.change.probe)
                if old.id not in known
            ]
        ended.update({old.id: old for old in _ended(stated, near)})
    return list(ended.values())


def _stated(fact: Fact) -> list[Stated]:
    """Return the changes that a fact tells; what puts right ("actually") stands in the words it rests on alone."""
    said = [one.quote for one in fact.evidence[-1:] if one.quote.endswith(fact.text)]
    return stated_changes(said[0] if said else fact.text)


def _ended(stated: Stated, near: Sequence[tuple[Fact, float]]) -> list[Fact]:
    fitting = [old for old, cosine in near if cosine >= stated.change.floor and stated.ends(old.text)]
    return [] if stated.change.only and len(fitting) != 1 else fitting


async def _near(ledger: Ledger, index: Neighbours, fact: Fact, text: str) -> list[tuple[Fact, float]]:
    """Return what was known before `fact` and is near to `text`; also what `fact` itself has ended already."""
    cosines = dict(await index.search(fact.person_id, text, NEAREST))
    found = await ledger.facts.many(fact.person_id, list(cosines), status=None)
    return [
        (old, cosines[old.id])
        for old in found
        if (old.status == "active" or old.superseded_by == fact.id) and _before(old, fact)
    ]


def _before(old: Fact, new: Fact) -> bool:
    if old.id == new.id or old.created_at is None or new.created_at is None:
        return False
    return (old.valid_from, old.created_at) < (new.valid_from, new.created_at)


async def _end(ledger: Ledger, old: Fact, new: Fact) -> bool:
    """End a fact; False where one of the two was ended or forgotten by somebody else meanwhile."""
    try:
        await ledger.facts.supersede(new.person_id, old.id, new.id)
    except (NotFoundError, ConflictError):
        return False
    return True
