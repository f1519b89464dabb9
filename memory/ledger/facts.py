"""Facts about each person, with the words they rest on.

Two active facts of one person never say the same: who says it again strengthens it. What is forgotten is deleted, with
its evidence; what is contradicted is superseded and kept.
"""

from __future__ import annotations

import builtins
import hashlib
import unicodedata
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, func, or_, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.database import Database
from memory.errors import ConflictError, NotFoundError
from memory.ids import new_id
from memory.ledger import tables
from memory.ledger.datasets import mark_resting_on
from memory.ledger.evidence import add_evidence, chunks, evidence_of, quote_digest
from memory.ledger.insert import insert_new
from memory.ledger.page import from_cursor, to_cursor
from memory.types import Evidence, Fact, FactOrigin, FactStatus, Kind, NewFact

_facts = tables.facts
_PAGE = 200
_GROWTH = 0.1
_CEILING = 0.99
_ORIGINS: tuple[FactOrigin, ...] = ("inferred", "stated", "edited")
"""From the weakest to the strongest."""
_MEANINGFUL_PUNCTUATION = frozenset("#%&@")


class Facts:
    """The facts of each person."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, person_id: str, new: NewFact) -> Fact:
        """Store a fact, or strengthen the active one that says the same; safe to race and to repeat.

        The same words from the same message count once. Evidence that a superseded fact of the same text already
        rests on does not bring that fact back: it is returned as it is.

        Raises:
            NotFoundError: there is no such person, or a message of the evidence is not theirs.
        """
        async with self._database.writing() as connection:
            return await add_fact(connection, person_id, new)

    async def get(self, person_id: str, fact_id: str) -> Fact:
        """Return a fact of any status.

        Raises:
            NotFoundError: it is not this person's.
        """
        async with self._database.reading() as connection:
            return await _get(connection, person_id, fact_id)

    async def many(
        self, person_id: str, ids: Sequence[str], status: FactStatus | None = "active"
    ) -> builtins.list[Fact]:
        """Return those of the facts that are this person's and of this status (None: any), in the order of `ids`."""
        found: dict[str, Fact] = {}
        table = tables.fact_evidence
        # One statement, because recall waits for it: asking for the evidence apart takes as long again.
        rests_on = and_(table.c.fact_id == _facts.c.id, table.c.person_id == person_id)
        joined = select(_facts, table.c.message_id, table.c.quote).outerjoin(table, rests_on).order_by(table.c.seq)
        async with self._database.reading() as connection:
            for part in chunks(ids):
                query = joined.where(_facts.c.person_id == person_id, _facts.c.id.in_(part))
                if status is not None:
                    query = query.where(_facts.c.status == status)
                rows: dict[str, builtins.list[Row[Any]]] = {}
                for row in await connection.execute(query):
                    rows.setdefault(row.id, []).append(row)
                for fact_id, same in rows.items():
                    evidence = tuple(Evidence(row.message_id, row.quote) for row in same if row.message_id is not None)
                    found[fact_id] = _fact(same[0], evidence)
        return [found[id] for id in dict.fromkeys(ids) if id in found]

    async def list(
        self,
        person_id: str,
        status: FactStatus | None = "active",
        cursor: str | None = None,
        limit: int = 50,
        query: str | None = None,
        kinds: Collection[Kind] | None = None,
        unconfirmed: bool = False,
    ) -> tuple[builtins.list[Fact], str | None]:
        """Return a page of facts, newest first, and the cursor of the next page.

        Raises:
            InvalidCursorError: the cursor was not made by this list.
        """
        chosen = select(_facts).where(_facts.c.person_id == person_id)
        if status is not None:
            chosen = chosen.where(_facts.c.status == status)
        if query:
            chosen = chosen.where(_facts.c.text.icontains(query, autoescape=True))
        if kinds is not None:
            chosen = chosen.where(_facts.c.kind.in_([kind.value for kind in kinds]))
        if unconfirmed:
            chosen = chosen.where(_facts.c.origin == "inferred", _facts.c.review.is_(None))
        if cursor is not None:
            chosen = chosen.where(_facts.c.id < from_cursor(cursor, 1)[0])
        chosen = chosen.order_by(_facts.c.id.desc()).limit(limit + 1)
        async with self._database.reading() as connection:
            found = await _read(connection, person_id, chosen)
        return found[:limit], to_cursor(found[limit - 1].id) if len(found) > limit else None

    async def surest(self, person_id: str, kinds: Collection[Kind], limit: int) -> builtins.list[Fact]:
        """Return of each kind the `limit` surest active facts, the newest of equals; none that waits for a yes."""
        async with self._database.reading() as connection:
            return await _read(connection, person_id, _surest(tuple(kinds), limit), {"person_id": person_id})

    async def count(self, person_id: str, status: FactStatus | None = "active") -> int:
        """Return how many facts of this status (None: any) this person has."""
        query = select(func.count()).select_from(_facts).where(_facts.c.person_id == person_id)
        if status is not None:
            query = query.where(_facts.c.status == status)
        async with self._database.reading() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def forget(self, person_id: str, fact_id: str) -> Fact:
        """Delete a fact and its evidence, and return what it was; the caller drops it from the index.

        Raises:
            NotFoundError: it is not this person's.
        """
        async with self._database.writing() as connection:
            fact = await _get(connection, person_id, fact_id)
            await mark_resting_on(connection, person_id, [fact_id])
            await connection.execute(delete(_facts).where(_facts.c.person_id == person_id, _facts.c.id == fact_id))
        return fact

    async def supersede(self, person_id: str, old_id: str, new_id: str) -> Fact:
        """End an active fact where another begins, and return it; doing it again changes nothing.

        Raises:
            NotFoundError: one of them is not this person's.
            ConflictError: they are one fact, the new one is not active, or the old one was superseded by a third.
        """
        async with self._database.writing() as connection:
            old, new = await _get(connection, person_id, old_id), await _get(connection, person_id, new_id)
            if old.status == "superseded" and old.superseded_by == new_id:
                return old
            if old_id == new_id or old.status != "active" or new.status != "active":
                raise ConflictError(f"fact {old_id} cannot be superseded by {new_id}: both must be active, and two")
            await _end(connection, old, new)
            return await _get(connection, person_id, old_id)

    async def revise(self, person_id: str, old_id: str, new: NewFact) -> Fact:
        """Store a fact in place of an active one, which ends there, in one transaction; return the new one.

        Doing it again returns the same one.

        Raises:
            NotFoundError: the old one is not this person's.
            ConflictError: it is not active, or says the same already.
        """
        async with self._database.writing() as connection:
            old = await _get(connection, person_id, old_id)
            same = await _active_same(connection, person_id, new.text)
            if same is not None and old.superseded_by == same.id:
                return same
            if old.status != "active" or fingerprint(old.text) == fingerprint(new.text):
                raise ConflictError(f"fact {old_id} is not active, or says the same already")
            added = await add_fact(connection, person_id, new)
            await _end(connection, old, added)
        return added

    async def recalled(self, person_id: str, ids: Sequence[str], at: datetime) -> None:
        """Note when these facts were last used; ids that are not this person's are left alone."""
        async with self._database.writing() as connection:
            for part in chunks(ids):
                mine = and_(_facts.c.person_id == person_id, _facts.c.id.in_(part))
                await connection.execute(update(_facts).where(mine).values(last_recalled_at=at))

    async def all_active(self, person_id: str) -> AsyncIterator[Fact]:
        """Yield every active fact, oldest first, holding no connection meanwhile."""
        last = ""
        while True:
            active = and_(_facts.c.person_id == person_id, _facts.c.status == "active", _facts.c.id > last)
            async with self._database.reading() as connection:
                query = select(_facts).where(active).order_by(_facts.c.id).limit(_PAGE)
                page = await _read(connection, person_id, query)
            for fact in page:
                yield fact
            if len(page) < _PAGE:
                return
            last = page[-1].id

    async def people_with_facts(self) -> builtins.list[str]:
        """Return the ids of the people who have an active fact."""
        query = select(_facts.c.person_id).where(_facts.c.status == "active").distinct().order_by(_facts.c.person_id)
        async with self._database.reading() as connection:
            return list((await connection.execute(query)).scalars())


def fingerprint(text: str) -> str:
    """Return the same for texts that differ in case, white space or punctuation only (Unicode 3.13, D146).

    What changes the meaning of a name or a number (C#, C++, 50 %, R&D) is kept.
    """
    folded = unicodedata.normalize("NFD", text).casefold()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", folded).casefold())
    spaced = "".join(
        " " if unicodedata.category(char).startswith("P") and char not in _MEANINGFUL_PUNCTUATION else char
        for char in folded
    )
    words = " ".join(spaced.split()) or folded
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()


async def add_fact(connection: AsyncConnection, person_id: str, new: NewFact) -> Fact:
    """Store or strengthen a fact inside a transaction, as `Facts.add` does in one of its own."""
    person = select(tables.users.c.id).where(tables.users.c.id == person_id).with_for_update(key_share=True)
    if (await connection.execute(person)).first() is None:
        raise NotFoundError("person", person_id)
    replayed = await _superseded_by_same_evidence(connection, person_id, new)
    if replayed is not None:
        return await _get(connection, person_id, replayed)
    same = await _active_same(connection, person_id, new.text)
    if same is None:
        fact_id = await _insert(connection, person_id, new)
    else:
        fact_id = same.id
        await _strengthen(connection, same, new)
    return await _get(connection, person_id, fact_id)


async def _active_same(connection: AsyncConnection, person_id: str, text: str) -> Fact | None:
    same = and_(_facts.c.person_id == person_id, _facts.c.fingerprint == fingerprint(text))
    found = await _read(connection, person_id, select(_facts).where(same, _facts.c.status == "active"))
    return found[0] if found else None


async def _superseded_by_same_evidence(connection: AsyncConnection, person_id: str, new: NewFact) -> str | None:
    table = tables.fact_evidence
    query = (
        select(_facts.c.id)
        .join(table, table.c.fact_id == _facts.c.id)
        .where(
            _facts.c.person_id == person_id,
            _facts.c.fingerprint == fingerprint(new.text),
            _facts.c.status == "superseded",
            table.c.message_id.in_([one.message_id for one in new.evidence]),
            table.c.quote_sha256.in_([quote_digest(one.quote) for one in new.evidence]),
        )
    )
    return (await connection.execute(query.limit(1))).scalar_one_or_none()


async def _insert(connection: AsyncConnection, person_id: str, new: NewFact) -> str:
    id = new_id("fact")
    values = {
        "id": id,
        "person_id": person_id,
        "text": new.text,
        "fingerprint": fingerprint(new.text),
        "kind": new.kind.value,
        "confidence": new.confidence,
        "origin": new.origin,
        "valid_from": new.observed_at,
        "status": "active",
        "created_at": datetime.now(UTC),
    }
    if not await insert_new(connection, _facts, values):
        raise ConflictError("the same fact was added by another process at the same moment: try again")
    await add_evidence(connection, person_id, id, new.evidence)
    return id


async def _strengthen(connection: AsyncConnection, fact: Fact, new: NewFact) -> None:
    added = await add_evidence(connection, fact.person_id, fact.id, new.evidence)
    confidence = max(fact.confidence, new.confidence)
    for _ in range(added):
        confidence = max(confidence, min(_CEILING, confidence + (1 - confidence) * _GROWTH))
    changes: dict[str, Any] = {
        "confidence": confidence,
        "origin": max(fact.origin, new.origin, key=_ORIGINS.index),
        "valid_from": min(fact.valid_from, new.observed_at),
    }
    await connection.execute(update(_facts).where(_facts.c.id == fact.id).values(**changes))


async def _end(connection: AsyncConnection, old: Fact, new: Fact) -> None:
    changes = {
        "status": "superseded",
        "superseded_by": new.id,
        "valid_to": max(old.valid_from, new.valid_from),
    }
    await connection.execute(update(_facts).where(_facts.c.id == old.id).values(**changes))


async def _get(connection: AsyncConnection, person_id: str, fact_id: str) -> Fact:
    query = select(_facts).where(_facts.c.person_id == person_id, _facts.c.id == fact_id)
    found = await _read(connection, person_id, query)
    if not found:
        raise NotFoundError("fact", fact_id)
    return found[0]


@cache
def _surest(kinds: tuple[Kind, ...], limit: int) -> Any:
    """Return the query of `Facts.surest`, made once: every turn asks it."""
    told = or_(_facts.c.origin != "inferred", _facts.c.review == "confirmed")
    active = and_(_facts.c.person_id == bindparam("person_id"), _facts.c.status == "active", told)
    order = (_facts.c.confidence.desc(), _facts.c.id.desc())
    # A limit for each kind, so that an index answers however much is known.
    parts = [select(_facts).where(active, _facts.c.kind == kind.value).order_by(*order).limit(limit) for kind in kinds]
    return union_all(*(select(part.subquery()) for part in parts))


async def _read(
    connection: AsyncConnection, person_id: str, query: Any, given: Mapping[str, Any] | None = None
) -> list[Fact]:
    rows: Sequence[Row[Any]] = (await connection.execute(query, given)).all()
    evidence = await evidence_of(connection, person_id, (row.id for row in rows))
    return [_fact(row, evidence.get(row.id, ())) for row in rows]


def _fact(row: Row[Any], evidence: tuple[Evidence, ...]) -> Fact:
    return Fact(
        id=row.id,
        person_id=row.person_id,
        text=row.text,
        kind=Kind(row.kind),
        confidence=row.confidence,
        origin=row.origin,
        evidence=evidence,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        status=row.status,
        superseded_by=row.superseded_by,
        created_at=row.created_at,
        last_recalled_at=row.last_recalled_at,
        review=row.review,
    )
