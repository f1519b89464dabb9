"""Answers of models by the content of the question, durable once they are given back.

One SQLite file, written and read by one thread, so that the event loop never waits for the disk. An answer whose
`put` has returned survives the process being killed. `owner` is whose words an answer rests on, so that it can be
forgotten with them.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from training.errors import TrainingError

_T = TypeVar("_T")
_BUSY_MS = 30_000
_SCHEMA = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, owner TEXT NOT NULL, body TEXT NOT NULL)"
_OWNERS = "CREATE INDEX IF NOT EXISTS answers_owner ON answers (owner)"


class CallCache:
    """Finished answers; open it with `open`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="call-cache")
        self._connection: sqlite3.Connection | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[CallCache]:
        """Open or create the file at `path`; several processes may use it at once.

        Raises:
            TrainingError: it cannot be written, or is no cache.
        """
        cache = cls(path)
        try:
            await cache._run(cache._connect)
            yield cache
        finally:
            await asyncio.shield(cache._run(cache._close))
            cache._thread.shutdown(wait=False)

    async def get(self, key: str) -> str | None:
        """Return the body kept under `key`."""
        return await self._run(lambda: self._get(key))

    async def put(self, key: str, body: str, owner: str = "") -> None:
        """Keep `body`; when this returns, it is there after a crash of the process."""
        await self._run(lambda: self._put(key, owner, body))

    async def touch(self, owner: str) -> None:
        """Note that `owner` is still there; see `forget_untouched`."""
        await self._run(lambda: self._db.execute("INSERT OR IGNORE INTO touched VALUES (?)", (owner,)))

    async def forget_untouched(self) -> int:
        """Remove every answer that rests on somebody's words and was not needed since opening; return how many.

        Not needed is what was neither asked for nor kept, and what rests on the words of somebody who was not touched:
        after a whole build it rests on words that are no longer there.
        """
        return await self._run(self._forget_untouched)

    async def _run(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.DatabaseError as error:
            raise TrainingError(
                f"the cache of answers at {self._path} cannot be used ({error}); free its disk, or remove it, which"
                " costs asking again"
            ) from error

    def _connect(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise TrainingError(
                f"the cache of answers at {self._path} cannot be written ({error.strerror}); choose another path, or"
                " make its directory writable"
            ) from error
        connection = sqlite3.connect(self._path, timeout=_BUSY_MS / 1000, isolation_level=None)
        self._connection = connection
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(_SCHEMA)
        connection.execute(_OWNERS)
        connection.execute("CREATE TEMP TABLE touched (owner TEXT PRIMARY KEY) WITHOUT ROWID")
        connection.execute("CREATE TEMP TABLE needed (key TEXT PRIMARY KEY) WITHOUT ROWID")

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the cache is closed")
        return self._connection

    def _get(self, key: str) -> str | None:
        self._db.execute("INSERT OR IGNORE INTO needed VALUES (?)", (key,))
        row = self._db.execute("SELECT body FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def _put(self, key: str, owner: str, body: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO needed VALUES (?)", (key,))
        self._db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, owner, body))

    def _forget_untouched(self) -> int:
        gone = "owner NOT IN (SELECT owner FROM touched) OR key NOT IN (SELECT key FROM needed)"
        untouched = f"owner != '' AND ({gone})"
        count = self._db.execute(f"DELETE FROM answers WHERE {untouched}").rowcount
        if count:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return count

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
