"""A bounded shelf of open things, one per key: the longest unused one is closed to make room for the next.

What is done with one thing happens one at a time and is carried to its end even if the caller is cancelled; things of
different keys are worked on in parallel. At no time are more than `bound` things open.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Slot(Generic[T]):
    """The place of one key: closed until `open` is called, and closed again by `close` or by the shelf."""

    def __init__(self, shelf: Shelf[T], key: str) -> None:
        self._shelf = shelf
        self._key = key
        self.thing: T | None = None
        self.lock = asyncio.Lock()
        self.users = 0

    async def open(self) -> T:
        """Return the open thing, opening it when need be."""
        if self.thing is None:
            self.thing = await self._shelf._open(self._key)
        return self.thing

    async def close(self) -> None:
        """Close the thing if it is open."""
        if self.thing is not None:
            thing, self.thing = self.thing, None
            await self._shelf._close(thing)


class Shelf(Generic[T]):
    """Opens with `opener` and closes with `closer`, both of which block and run in threads."""

    def __init__(self, opener: Callable[[str], T], closer: Callable[[T], None], bound: int) -> None:
        self._opener = opener
        self._closer = closer
        self._bound = bound
        self._turn = asyncio.Semaphore(bound)
        self._slots: OrderedDict[str, Slot[T]] = OrderedDict()
        self._count = 0
        self._running: set[asyncio.Task[Any]] = set()

    async def use(self, key: str, work: Callable[[Slot[T]], Awaitable[R]]) -> R:
        """Do `work` with the slot of `key`, alone with it."""
        task = asyncio.create_task(self._use(key, work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Wait for what is being done, and close everything."""
        while self._running:
            await asyncio.wait(self._running)
        async with AsyncExitStack() as stack:  # one that fails to close does not keep the others open
            for slot in self._slots.values():
                stack.push_async_callback(slot.close)
        self._slots.clear()

    async def _use(self, key: str, work: Callable[[Slot[T]], Awaitable[R]]) -> R:
        async with self._turn:
            slot = self._slots.setdefault(key, Slot(self, key))
            self._slots.move_to_end(key)
            return await self._alone(key, slot, work)

    async def _alone(self, key: str, slot: Slot[T], work: Callable[[Slot[T]], Awaitable[R]]) -> R:
        slot.users += 1
        try:
            async with slot.lock:
                return await work(slot)
        finally:
            slot.users -= 1
            if not slot.users and slot.thing is None:
                del self._slots[key]

    async def _open(self, key: str) -> T:
        # No more than `bound` uses run at once and this one holds nothing yet: one of the open things is idle.
        while self._count >= self._bound:
            idle, slot = next((key, slot) for key, slot in self._slots.items() if slot.thing and not slot.users)
            await self._alone(idle, slot, Slot.close)
        self._count += 1
        try:
            return await asyncio.to_thread(self._opener, key)
        except BaseException:
            self._count -= 1
            raise

    async def _close(self, thing: T) -> None:
        try:
            await asyncio.to_thread(self._closer, thing)
        finally:
            self._count -= 1
