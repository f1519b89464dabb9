"""Examples on their way into a data set, in a scratch SQLite file, so that any number of them takes the same memory."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from training.errors import DatasetError
from training.example import Example, Split, from_row
from training.personaemp.split import Profile, profile_of

_TABLES = """
CREATE TABLE people (person TEXT PRIMARY KEY, profile TEXT NOT NULL, split TEXT);
CREATE TABLE examples (
    id TEXT PRIMARY KEY, person TEXT NOT NULL, category TEXT NOT NULL, place BLOB, row TEXT NOT NULL
);
"""


class Spool:
    """The scratch file; it is worth nothing after a crash and does not try to be."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Spool]:
        """Create the file."""
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.executescript(
                "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-4096;" + _TABLES
            )
            connection.execute("BEGIN")
            yield cls(connection)

    def add(self, example: Example) -> None:
        """Keep an example.

        Raises:
            DatasetError: its id was there before, or its traits are not those of the person's other examples.
        """
        profile = json.dumps(profile_of(example.big_five))
        known = self._connection.execute("SELECT profile FROM people WHERE person = ?", (example.person,)).fetchone()
        if known is not None and known[0] != profile:
            raise DatasetError(
                f"example {example.id} gives person {example.person} other traits than the one before it"
            )
        row = json.dumps(example.row(0), ensure_ascii=False)
        values = (example.id, example.person, example.category, row)
        try:
            self._connection.execute("INSERT INTO examples (id, person, category, row) VALUES (?, ?, ?, ?)", values)
        except sqlite3.IntegrityError as error:
            raise DatasetError(
                f"two examples have the id {example.id}: an id must be made from what it names"
            ) from error
        if known is None:
            self._connection.execute("INSERT INTO people (person, profile) VALUES (?, ?)", (example.person, profile))

    def people(self) -> dict[str, Profile]:
        """Return everybody with their levels."""
        found = self._connection.execute("SELECT person, profile FROM people")
        return {person: tuple(json.loads(profile)) for person, profile in found}

    def assign(self, splits: Mapping[str, Split], seed: int) -> None:
        """Note who goes where, and give every example its place in an order that the seed alone decides."""
        pairs = ((split, person) for person, split in splits.items())
        self._connection.executemany("UPDATE people SET split = ? WHERE person = ?", pairs)

        def place(id: str) -> bytes:
            return hashlib.sha256(f"{seed}\0{id}".encode()).digest()[:12]

        self._connection.create_function("place_of", 1, place, deterministic=True)
        self._connection.execute("UPDATE examples SET place = place_of(id)")
        self._connection.execute("CREATE INDEX by_place ON examples (place, id)")

    def count(self, split: Split) -> int:
        """Return how many examples a split has."""
        query = "SELECT count(*) FROM examples JOIN people USING (person) WHERE split = ?"
        return int(self._connection.execute(query, (split,)).fetchone()[0])

    def categories(self) -> Counter[str]:
        """Return how many examples each category has."""
        found = self._connection.execute("SELECT category, count(*) FROM examples GROUP BY category")
        return Counter(dict(found.fetchall()))

    def examples(self, split: Split, at_once: int) -> Iterator[list[Example]]:
        """Yield the examples of a split in their order, a few at a time."""
        query = "SELECT row FROM examples JOIN people USING (person) WHERE split = ? ORDER BY place, id"
        cursor = self._connection.execute(query, (split,))
        while rows := cursor.fetchmany(at_once):
            yield [replace(from_row(json.loads(row)), split=split) for (row,) in rows]
