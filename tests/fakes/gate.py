"""A point in a script where it waits for the test."""

from __future__ import annotations

import asyncio


class Gate:
    """Stops a script between two pieces until the test opens it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        """Set once the script stands before the gate."""
        self._opened = asyncio.Event()

    def open(self) -> None:
        """Let the script go on, now and every later time."""
        self._opened.set()

    @property
    def opened(self) -> bool:
        """Whether the script may go on."""
        return self._opened.is_set()

    async def passing(self) -> None:
        """Wait until the gate is open."""
        self.reached.set()
        await self._opened.wait()
