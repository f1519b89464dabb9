"""A bound on calls at once that holds for all processes of one machine.

Each slot is a file that at most one call holds locked. The kernel gives a slot back when its process dies, however it
dies, so no crash can leak one. Waiting is asynchronous: the event loop is never blocked. verl puts its reward workers
on every node; the bound then holds on each of them.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_POLL_S = (0.005, 0.05)
"""From the first pause to the longest."""


class Slots:
    """`async with slots.held():` around a call."""

    def __init__(self, count: int, directory: Path | None = None) -> None:
        self.count = count
        self._directory = directory or Path(tempfile.gettempdir()) / f"attune-judge-{os.getuid()}-{count}"
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._here = asyncio.Semaphore(count)
        self._one_waits = asyncio.Lock()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold one slot; wait for it as long as it takes."""
        async with self._here:
            # One task of a process looks for a free file at a time, however many wait.
            async with self._one_waits:
                file = await self._free()
            try:
                yield
            finally:
                os.close(file)

    async def _free(self) -> int:
        pause = _POLL_S[0]
        while (file := self._try()) is None:
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, _POLL_S[1])
        return file

    def _try(self) -> int | None:
        first = random.randrange(self.count)
        for n in range(self.count):
            path = self._directory / f"{(first + n) % self.count}.slot"
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
            else:
                return file
        return None
