"""What the processes on one ledger tell each other: that there is work, and who holds what only one may.

On Postgres this is LISTEN and NOTIFY, and advisory locks, on one connection of this process. A process that dies loses
the connection and with it what it held, at once. A connection that breaks is made again, and what was held is taken
again; whoever listens is woken then, for a call may have been missed. Calls are a convenience: who waits for work
looks from time to time all the same. On SQLite one process has everything: calls wake itself, all is held.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from memory.database import Database
from memory.errors import LedgerError

CHANNEL = "attune_jobs"
_CALLS_EVERY_S = 0.05
"""Many calls within this time are one."""
_AGAIN_S = 0.5
_ANSWER_S = 5.0
_TRIES, _TRY_S = 6, 0.05
"""What another process holds is often about to be given back."""
_LOCK = "hashtextextended($1, 0)"

log = logging.getLogger(__name__)


class Peers:
    """This process among those on its ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wakes: list[Callable[[], None]] = []
        self._held: Counter[str] = Counter()
        self._connection: Any = None
        self._one_at_a_time = asyncio.Lock()
        self._called = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, database: Database) -> AsyncIterator[Peers]:
        """Be among the processes until left; what is held then is given back."""
        peers = cls(database)
        tasks = [asyncio.create_task(peers._connect()), asyncio.create_task(peers._call())] if database.shared else []
        try:
            yield peers
        finally:
            for task in (*tasks, *peers._tasks):
                task.cancel()
            await asyncio.gather(*tasks, *peers._tasks, return_exceptions=True)

    @property
    def connected(self) -> bool:
        """Whether calls of others are heard."""
        return self._connection is not None or not self._database.shared

    def on_call(self, wake: Callable[[], None]) -> None:
        """Have `wake` called when there may be work."""
        self._wakes.append(wake)

    def call(self) -> None:
        """Tell every process, this one too, that there may be work."""
        self._wake()
        self._called.set()

    async def take(self, name: str) -> bool:
        """Hold `name`, unless another process does; within this process it may be held several times.

        Raises:
            LedgerError: the database cannot be asked.
        """
        if not self._database.shared:
            return True
        for attempt in range(_TRIES):
            async with self._one_at_a_time:
                if self._held[name] or await self._ask(f"SELECT pg_try_advisory_lock({_LOCK})", name):
                    self._held[name] += 1
                    return True
            if attempt < _TRIES - 1:
                await asyncio.sleep(_TRY_S)
        return False

    def give(self, name: str) -> None:
        """Give back what was taken once."""
        if self._database.shared:
            task = asyncio.create_task(self._give(name), name="giving back")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _give(self, name: str) -> None:
        async with self._one_at_a_time:
            self._held[name] -= 1
            if self._held[name] > 0:
                return
            del self._held[name]
            try:
                await self._ask(f"SELECT pg_advisory_unlock({_LOCK})", name)
            except LedgerError as error:
                log.info("a lock went with its connection: %s", error)

    async def _ask(self, sql: str, *values: str) -> Any:
        if self._connection is None:
            raise LedgerError("Postgres cannot be reached just now; the connection is made again")
        try:
            return await self._connection.fetchval(sql, *values, timeout=_ANSWER_S)
        except Exception as error:
            raise LedgerError(f"Postgres did not answer: {type(error).__name__}") from error

    def _wake(self) -> None:
        for wake in self._wakes:
            wake()

    async def _call(self) -> None:
        while True:
            await self._called.wait()
            self._called.clear()
            try:
                async with self._one_at_a_time:
                    await self._ask("SELECT pg_notify($1, '')", CHANNEL)
            except LedgerError as error:
                log.info("other processes were not called, they look by themselves: %s", error)
            await asyncio.sleep(_CALLS_EVERY_S)

    async def _connect(self) -> None:
        while True:
            try:
                async with self._database.session() as connection:
                    await self._stay(connection)
            except (LedgerError, TimeoutError) as error:
                log.warning("the connection to other processes broke, it is made again: %s", error)
            await asyncio.sleep(_AGAIN_S)

    async def _stay(self, connection: Any) -> None:
        """Listen until the connection ends."""
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _connection: ended.set())
        await connection.add_listener(CHANNEL, lambda *_call: self._wake())
        async with self._one_at_a_time:
            for name in self._held:
                await connection.fetchval(f"SELECT pg_try_advisory_lock({_LOCK})", name, timeout=_ANSWER_S)
            self._connection = connection
        self._wake()
        try:
            await ended.wait()
        finally:
            self._connection = None
