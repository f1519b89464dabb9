"""SQLite for asyncio with one hop to its thread for each statement; aiosqlite takes four.

Making a cursor, executing, fetching and closing are each a hop there (aiosqlite 0.22), and each costs more than most
statements of the ledger do. Here a statement's rows are read at once, and its cursor is closed before anybody waits for
it again, so that a statement that is given up holds no lock. Not for results that do not fit into memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import aiosqlite

_CHUNK = 64
"""Rows at a time of aiosqlite's own cursors."""


class OneHop(aiosqlite.Connection):
    """A connection whose cursors hop once; everything else is aiosqlite's."""

    def cursor(self) -> OneHopCursor:  # type: ignore[override]
        """Return a cursor; nothing is done yet."""
        return OneHopCursor(self)

    async def run(self, call: Callable[..., None], *arguments: Any) -> None:
        """Make a call in the connection's thread."""
        await self._execute(call, *arguments)  # type: ignore[no-untyped-call]


class OneHopCursor:
    """What SQLAlchemy asks of a cursor of an asyncio driver."""

    arraysize = 1

    def __init__(self, connection: OneHop) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        """Return the cursor, which is ready."""
        return self

    async def execute(self, statement: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> Self:
        """Execute a statement and read its rows."""
        await self._connection.run(self._run, sqlite3.Cursor.execute, statement, parameters)
        return self

    async def executemany(self, statement: str, parameters: Sequence[Any]) -> Self:
        """Execute a statement once for each of the parameters."""
        await self._connection.run(self._run, sqlite3.Cursor.executemany, statement, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        """Return the rows; once."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Drop rows that nobody fetched."""
        self._rows = []

    def _run(self, execute: Any, statement: str, parameters: Any) -> None:
        """Do it all, in the connection's thread."""
        cursor = self._connection._conn.cursor()
        try:
            execute(cursor, statement, parameters)
            self.description = cursor.description
            self._rows = cursor.fetchall() if cursor.description else []
            self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        finally:
            cursor.close()


def connecting(path: str) -> OneHop:
    """Return a connection to a file, to be awaited; its thread keeps no process alive."""
    connection = OneHop(partial(sqlite3.connect, path, check_same_thread=False), _CHUNK)
    connection._thread.daemon = True
    return connection
