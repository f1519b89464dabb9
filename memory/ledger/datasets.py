"""Data sets for training: who is who in them, what each row rests on, and which rows must not be trained on any more.

Only people who consent get a place in one. A row is marked in the transaction that forgets what it rests on or
withdraws the consent, and stays marked; whose it was then stands nowhere once the person is gone. Rows whose ground
went while the data set was still being built are marked when it is finished. No text is ever kept here.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, delete, distinct, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.database import Database
from memory.errors import NotFoundError
from memory.ledger import tables
from memory.ledger.evidence import chunks
from memory.ledger.insert import insert_new

Reason = Literal["forgotten", "withdrawn"]

_BATCH = 200
_datasets, _people, _rows, _sources = (
    tables.datasets,
    tables.dataset_people,
    tables.dataset_rows,
    tables.dataset_sources,
)


@dataclass(frozen=True, slots=True)
class Dataset:
    """One data set that was begun here."""

    id: str
    created_at: datetime
    path: str | None = None
    """Where it was written; None until it was."""
    work: str | None = None
    """The directory with the answers of the models that build it; None where it was never told."""
    manifest_sha256: str | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A person's place in a data set."""

    alias: str
    """Their random id there."""
    secret: str
    """The key of their pseudonyms, in hexadecimal; it stands in no data set."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Where files of a data set may hold words of a person."""

    dataset_id: str
    alias: str
    """The person there."""
    work: str | None
    """The directory with the answers that rest on them."""
    path: str | None
    """The data set; None where none of the person's rows is forgotten."""


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One row and what it rests on."""

    id: str
    alias: str
    source_ids: tuple[str, ...]
    """Facts and messages, by id."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A row that must not be trained on."""

    row_id: str
    reason: Reason
    at: datetime


class Datasets:
    """The data sets built from this ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, dataset_id: str, work: str | None = None) -> Dataset:
        """Note that a data set is being built, and where answers are kept for it; beginning it again is no other."""
        values = {"id": dataset_id, "created_at": datetime.now(UTC)}
        async with self._database.writing() as connection:
            await insert_new(connection, _datasets, values)
            if work is not None:
                await _change(connection, dataset_id, work=work)
            return await _get(connection, dataset_id)

    async def get(self, dataset_id: str) -> Dataset:
        """Return a data set.

        Raises:
            NotFoundError: this ledger knows none of that id.
        """
        async with self._database.reading() as connection:
            return await _get(connection, dataset_id)

    async def place(self, dataset_id: str, person_id: str) -> Place | None:
        """Return a person's place in a data set, given to them the first time; None where they do not consent.

        Raises:
            NotFoundError: this ledger knows no such data set.
        """
        async with self._database.writing() as connection:
            await _get(connection, dataset_id)
            consents = select(tables.settings.c.training).where(tables.settings.c.person_id == person_id)
            if not (await connection.execute(consents)).scalar_one_or_none():
                return None
            fresh = {"alias": f"p_{secrets.token_hex(8)}", "secret": secrets.token_hex(16)}
            await insert_new(connection, _people, {"dataset_id": dataset_id, "person_id": person_id, **fresh})
            mine = (_people.c.dataset_id == dataset_id, _people.c.person_id == person_id)
            row = (await connection.execute(select(_people).where(*mine))).one()
        return Place(row.alias, row.secret)

    async def finish(
        self, dataset_id: str, path: str, manifest_sha256: str, rows: AsyncIterable[DatasetRow]
    ) -> Mapping[Reason, int]:
        """Note what was written, row by row, and return how many rows are marked already, by reason.

        Rows of people without a place, because they were erased meanwhile, and rows resting on what is not there any
        more are marked. It goes in many short transactions, so that nobody waits for it; one that was cut short begins
        anew, and one that ended is not repeated for the same manifest.

        Raises:
            NotFoundError: this ledger knows no such data set.
        """
        async with self._database.writing() as connection:
            if (await _get(connection, dataset_id)).manifest_sha256 == manifest_sha256:
                return await _counts(connection, dataset_id)
            await _change(connection, dataset_id, path=None, manifest_sha256=None, finished_at=None)
            await connection.execute(delete(_rows).where(_rows.c.dataset_id == dataset_id))
        batch: list[DatasetRow] = []
        async for row in rows:
            batch.append(row)
            if len(batch) == _BATCH:
                await self._store(dataset_id, batch)
                batch = []
        await self._store(dataset_id, batch)
        async with self._database.writing() as connection:
            now = datetime.now(UTC)
            await _change(connection, dataset_id, path=path, manifest_sha256=manifest_sha256, finished_at=now)
            return await _counts(connection, dataset_id)

    async def _store(self, dataset_id: str, batch: Sequence[DatasetRow]) -> None:
        if batch:
            async with self._database.writing() as connection:
                await _store(connection, dataset_id, batch, datetime.now(UTC))

    async def marked(self, dataset_id: str, limit: int = 100) -> list[Marked]:
        """Return rows of a data set that must not be trained on, at most `limit`."""
        query = select(_rows).where(_rows.c.dataset_id == dataset_id, _rows.c.marked_at.is_not(None))
        async with self._database.reading() as connection:
            rows = (await connection.execute(query.order_by(_rows.c.row_id).limit(limit))).all()
        return [Marked(row.row_id, row.reason, row.marked_at) for row in rows]

    async def marked_counts(self, dataset_id: str) -> Mapping[Reason, int]:
        """Return how many rows must not be trained on, by reason; empty where all may be."""
        async with self._database.reading() as connection:
            return await _counts(connection, dataset_id)


# ---------------------------------------------------------------- inside the transactions that forget and withdraw


async def count_resting_on(connection: AsyncConnection, person_id: str, ids: Collection[str]) -> int:
    """Return how many unmarked rows, of any data set, rest on any of these facts and messages."""
    found: set[tuple[str, str]] = set()
    for part in chunks(ids):
        found.update((row.dataset_id, row.row_id) for row in await connection.execute(_unmarked(person_id, part)))
    return len(found)


async def mark_resting_on(connection: AsyncConnection, person_id: str, ids: Collection[str]) -> int:
    """Mark the rows that rest on any of these facts and messages as forgotten; return how many were not marked yet."""
    marked = 0
    for part in chunks(ids):
        for row in (await connection.execute(_unmarked(person_id, part))).all():
            here = and_(_rows.c.dataset_id == row.dataset_id, _rows.c.row_id == row.row_id)
            marked += await _mark(connection, here, "forgotten")
        theirs = (_sources.c.person_id == person_id, _sources.c.source_id.in_(part))
        await connection.execute(delete(_sources).where(*theirs))
    return marked


async def count_of_person(connection: AsyncConnection, person_id: str) -> int:
    """Return how many unmarked rows, of any data set, are a person's."""
    theirs = and_(_of_person(person_id), _rows.c.marked_at.is_(None))
    return int((await connection.execute(select(func.count()).select_from(_rows).where(theirs))).scalar_one())


async def mark_person(connection: AsyncConnection, person_id: str, reason: Reason) -> int:
    """Mark all rows of a person; return how many were not marked yet."""
    return await _mark(connection, _of_person(person_id), reason)


async def traces_of(connection: AsyncConnection, person_id: str) -> list[Traces]:
    """Return where files hold words of a person: of all data sets they are in, marked just now or before."""
    here = (_rows.c.dataset_id == _people.c.dataset_id, _rows.c.alias == _people.c.alias)
    marked = select(_rows.c.row_id).where(*here, _rows.c.reason == "forgotten").correlate(_people)
    columns = (_people.c.dataset_id, _people.c.alias, _datasets.c.work, _datasets.c.path, marked.exists().label("gone"))
    query = select(*columns).join(_datasets, _datasets.c.id == _people.c.dataset_id)
    rows = (await connection.execute(query.where(_people.c.person_id == person_id))).all()
    return [Traces(row.dataset_id, row.alias, row.work, row.path if row.gone else None) for row in rows]


def _unmarked(person_id: str, ids: Collection[str]) -> Select[Any]:
    joined = and_(_rows.c.dataset_id == _sources.c.dataset_id, _rows.c.row_id == _sources.c.row_id)
    query = select(_sources.c.dataset_id, _sources.c.row_id).join(_rows, joined).distinct()
    mine = (_sources.c.person_id == person_id, _sources.c.source_id.in_(ids))
    return query.where(*mine, _rows.c.marked_at.is_(None))


def _of_person(person_id: str) -> ColumnElement[bool]:
    places = select(_people.c.alias).where(_people.c.person_id == person_id, _people.c.dataset_id == _rows.c.dataset_id)
    return _rows.c.alias.in_(places.correlate(_rows))


async def _mark(connection: AsyncConnection, which: ColumnElement[bool], reason: Reason) -> int:
    change = update(_rows).where(which, _rows.c.marked_at.is_(None))
    return int((await connection.execute(change.values(marked_at=datetime.now(UTC), reason=reason))).rowcount)


# ---------------------------------------------------------------- finishing


async def _store(connection: AsyncConnection, dataset_id: str, batch: Sequence[DatasetRow], now: datetime) -> None:
    owners = await _owners(connection, dataset_id, [row.alias for row in batch])
    alive = await _alive(connection, [id for row in batch for id in row.source_ids])
    rows: list[dict[str, Any]] = []
    resting: list[dict[str, Any]] = []
    for row in batch:
        person, consents = owners.get(row.alias, (None, False))
        gone = person is None or any(alive.get(id) != person for id in row.source_ids)
        reason: Reason | None = "forgotten" if gone else None if consents else "withdrawn"
        values = {"dataset_id": dataset_id, "row_id": row.id}
        rows.append({**values, "alias": row.alias, "marked_at": now if reason else None, "reason": reason})
        ids = () if gone else dict.fromkeys(row.source_ids)
        resting += [{**values, "source_id": id, "person_id": person} for id in ids]
    await connection.execute(insert(_rows), rows)
    if resting:
        await connection.execute(insert(_sources), resting)


async def _owners(
    connection: AsyncConnection, dataset_id: str, aliases: Collection[str]
) -> dict[str, tuple[str | None, bool]]:
    settings = tables.settings
    query = select(_people.c.alias, _people.c.person_id, settings.c.training)
    query = query.outerjoin(settings, settings.c.person_id == _people.c.person_id)
    found: dict[str, tuple[str | None, bool]] = {}
    for part in chunks(aliases):
        chosen = query.where(_people.c.dataset_id == dataset_id, _people.c.alias.in_(part))
        found |= {row.alias: (row.person_id, bool(row.training)) for row in await connection.execute(chosen)}
    return found


async def _alive(connection: AsyncConnection, ids: Collection[str]) -> dict[str, str]:
    """Return who owns each of these facts and messages, of those that are there."""
    found: dict[str, str] = {}
    for part in chunks(ids):
        for table in (tables.facts, tables.messages):
            query = select(table.c.id, table.c.person_id).where(table.c.id.in_(part))
            found |= {row.id: row.person_id for row in await connection.execute(query)}
    return found


async def _counts(connection: AsyncConnection, dataset_id: str) -> dict[Reason, int]:
    query = select(_rows.c.reason, func.count(distinct(_rows.c.row_id)).label("rows"))
    query = query.where(_rows.c.dataset_id == dataset_id, _rows.c.marked_at.is_not(None)).group_by(_rows.c.reason)
    return {row.reason: row.rows for row in await connection.execute(query)}


async def _change(connection: AsyncConnection, dataset_id: str, **values: Any) -> None:
    await connection.execute(update(_datasets).where(_datasets.c.id == dataset_id).values(**values))


async def _get(connection: AsyncConnection, dataset_id: str) -> Dataset:
    row = (await connection.execute(select(_datasets).where(_datasets.c.id == dataset_id))).one_or_none()
    if row is None:
        raise NotFoundError("data set", dataset_id)
    return Dataset(row.id, row.created_at, row.path, row.work, row.manifest_sha256, row.finished_at)
