"""The engine under the ledger: SQLite in WAL mode by default, Postgres by URL; migrated on opening.

Guarantees: the data directory is readable by its owner only; a transaction of `writing()` is there after it returned,
whatever happens to the process then, or left nothing; deleted rows are overwritten (`secure_delete`), and `scrub()`
removes what the write-ahead log still holds of them. It knows no table. Transactions do not nest: asking for a second
`writing()` inside the first waits for ever.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from memory.config import MemoryConfig
from memory.errors import LedgerError
from memory.migrations.upgrade import upgrade
from memory.one_hop import connecting

_BUSY_TIMEOUT_MS = 30_000
_SCRUB_TIMEOUT_MS = 1_000  # everybody's writing waits meanwhile
_OPEN_TIMEOUT_S = 60.0
_OPEN_POLL_S = 0.02
_FAILURES = (SQLAlchemyError, sqlite3.Error, OSError)
_ADVISORY_LOCK = 0x417474756E65  # "Attune"; any number that every process agrees on


class Database:
    """One opened database; `open` makes it, `reading` and `writing` give connections."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writer = asyncio.Lock()
        self.url = engine.url.render_as_string(hide_password=True)
        """Where it is, without the password."""
        self.dialect = engine.dialect.name
        """`sqlite` or `postgresql`."""
        self.path = Path(engine.url.database or "") if self.dialect == "sqlite" else None
        """SQLite's file."""
        self.shared = self.path is None
        """Whether processes on other machines may use it too."""

    @classmethod
    @asynccontextmanager
    async def open(cls, config: MemoryConfig) -> AsyncIterator[Database]:
        """Open, and create or upgrade as needed; several processes may do so at once.

        Raises:
            LedgerError: the directory or the database cannot be used; the message names the repair.
        """
        home = config.home.expanduser().absolute()
        await asyncio.to_thread(_make_private_directory, home)
        engine = _make_engine(config.database_url, home)
        try:
            await _prepare(engine, home)
            yield cls(engine)
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection that sees one consistent state; what is written through it is rolled back.

        Raises:
            LedgerError: the database failed; the message never holds what was to be stored.
        """
        with self._translated():
            async with _Connection(self._engine) as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection in a transaction that commits on leaving, or rolls back when an exception leaves.

        On SQLite the writers of this process queue up in order; those of other processes are waited for.

        Raises:
            LedgerError: the database failed or a constraint forbids the change; nothing was written.
        """
        with self._translated():
            async with AsyncExitStack() as stack:
                if self.dialect == "sqlite":
                    await stack.enter_async_context(self._writer)
                connection = await stack.enter_async_context(_Connection(self._engine))
                await connection.execution_options(attune_writes=True)
                async with connection.begin():
                    yield connection

    async def scrub(self, *, rewrite: bool = False) -> None:
        """Remove what SQLite's files still hold of deleted rows, which is the write-ahead log's old pages.

        The pages of the database itself are overwritten on deleting (`secure_delete`). `rewrite` writes the whole file
        anew besides, which takes memory and time with its size. On Postgres it does nothing: vacuum does.

        Raises:
            LedgerError: another process kept reading the log; nothing is lost by trying again later.
        """
        if self.dialect != "sqlite":
            return
        with self._translated():
            async with self._writer, self._engine.connect() as connection:
                raw = await connection.get_raw_connection()
                driver: Any = raw.driver_connection
                if rewrite:
                    await driver.execute("VACUUM")
                await driver.execute(f"PRAGMA busy_timeout={_SCRUB_TIMEOUT_MS}")
                try:
                    async with driver.execute("PRAGMA wal_checkpoint(TRUNCATE)") as cursor:
                        busy, _, _ = await cursor.fetchone()
                finally:
                    await driver.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        if busy:
            raise LedgerError(
                "another process is reading the ledger: what was forgotten is not yet scrubbed, try again"
            )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Any]:
        """Give a connection of Postgres's own driver, for listening and for locks, and end it on leaving.

        Raises:
            LedgerError: the database cannot be reached.
        """
        with self._translated():
            async with self._engine.connect() as connection:
                try:
                    yield (await connection.get_raw_connection()).driver_connection
                finally:
                    await connection.invalidate()

    async def check(self) -> None:
        """Return when the database answers.

        Raises:
            LedgerError: it does not.
        """
        async with self.reading() as connection:
            await connection.execute(text("SELECT 1"))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not _is_failure(error):
                raise
            raise LedgerError(f"the ledger at {self.url} failed: {_reason(error)}") from error


class _Connection(AsyncConnection):
    """A connection whose statements run to their end also when who waits is cancelled.

    One that is given up half-way keeps its cursor, and with it SQLite's read lock, for as long as anybody holds the
    exception: nothing can be scrubbed meanwhile.
    """

    async def execute(self, *args: Any, **options: Any) -> Any:
        """Execute a statement, and raise what cancelled it only when it has ended."""
        running = asyncio.ensure_future(super().execute(*args, **options))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise


def _is_failure(error: BaseException) -> bool:
    """Whether the database failed; what Postgres's driver says while it connects, SQLAlchemy lets through as it is."""
    return isinstance(error, _FAILURES) or type(error).__module__.partition(".")[0] == "asyncpg"


def _reason(error: BaseException) -> str:
    """Return the first line of what the driver said; later lines of Postgres quote the row."""
    said = error.orig if isinstance(error, DBAPIError) else error
    return (str(said).splitlines() or [type(said).__name__])[0]


def _make_private_directory(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if home.stat().st_mode & 0o077:
            home.chmod(0o700)
    except OSError as error:
        raise LedgerError(
            f"cannot use {home} as the data directory ({error.strerror}): "
            "make it a directory of your own, or choose another with ATTUNE_HOME"
        ) from error


def _make_engine(url: str | None, home: Path) -> AsyncEngine:
    try:
        parsed = make_url(url or f"sqlite+aiosqlite:///{home / 'attune.db'}")
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+asyncpg")
        elif parsed.drivername == "sqlite":
            parsed = parsed.set(drivername="sqlite+aiosqlite")
        if parsed.drivername == "sqlite+aiosqlite":
            return _make_sqlite_engine(parsed.database or "")
        if parsed.drivername == "postgresql+asyncpg":
            return create_async_engine(parsed, pool_pre_ping=True, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError) as error:
        raise LedgerError(f"database_url cannot be read: {error}") from error
    except ModuleNotFoundError as error:
        raise LedgerError(f"the driver of database_url is missing: pip install '{error.name}'") from error
    raise LedgerError(f"database_url names {parsed.drivername!r}: use sqlite+aiosqlite or postgresql+asyncpg")


def _make_sqlite_engine(path: str) -> AsyncEngine:
    if path in ("", ":memory:") or path.startswith("file:"):
        raise LedgerError(f"database_url names the database {path!r}: the ledger must be a file, give its path")
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        async_creator=partial(connecting, path),
        pool_size=6,
        max_overflow=0,
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not open transactions of its own
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={_BUSY_TIMEOUT_MS}",
            "foreign_keys=ON",
            "secure_delete=ON",
            "synchronous=FULL",
            "temp_store=MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        # SQLite's own lower() knows ASCII only, and searching must find Ä in ä.
        connection.create_function("lower", 1, _lower, deterministic=True)

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("attune_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


async def _prepare(engine: AsyncEngine, home: Path) -> None:
    try:
        if engine.dialect.name == "sqlite":
            async with _opening_alone(home):
                await _prepare_sqlite(engine)
        else:
            async with engine.begin() as connection:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
                await connection.run_sync(upgrade)
    except Exception as error:
        if not _is_failure(error):
            raise
        raise LedgerError(
            f"cannot open the ledger at {engine.url.render_as_string(hide_password=True)}: {_reason(error)}; "
            "check that the address is right and the database is not damaged"
        ) from error


async def _prepare_sqlite(engine: AsyncEngine) -> None:
    path = Path(engine.url.database or "")
    await asyncio.to_thread(_make_private_file, path)
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        await driver.execute("PRAGMA journal_mode=WAL")
        await connection.execution_options(attune_writes=True)
        async with connection.begin():
            await connection.run_sync(upgrade)


def _make_private_file(path: Path) -> None:
    """Make the file unless it is there: closing any descriptor of it drops the locks that SQLite has in this process.

    Without them another process that closes the ledger takes itself for the last one and removes the write-ahead log
    that is in use here.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    path.chmod(0o600)


@asynccontextmanager
async def _opening_alone(home: Path) -> AsyncIterator[None]:
    """Hold off other processes that open: switching to WAL does not honour SQLite's busy timeout."""
    lock = FileLock(home / "ledger.lock", mode=0o600)
    deadline = time.monotonic() + _OPEN_TIMEOUT_S
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except Timeout:
            if time.monotonic() > deadline:
                raise LedgerError(f"another process has been opening {home} for a minute: end it, try again") from None
            await asyncio.sleep(_OPEN_POLL_S)
    try:
        yield
    finally:
        lock.release()
