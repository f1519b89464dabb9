"""Work on a stream, many items at once, with the results in the stream's order and a bounded number in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def in_order(
    items: AsyncIterator[Item], work: Callable[[Item], Awaitable[Result]], at_once: int
) -> AsyncIterator[Result]:
    """Yield what `work` makes of each item, in order; at most `at_once` items are begun and not yet yielded.

    The first failure, of whatever item, stops everything under way and is raised at once.
    """
    failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    async def worked(item: Item) -> Result:
        try:
            return await work(item)
        except Exception as error:
            if not failed.done():
                failed.set_result(error)
            raise

    async def first() -> Result:
        either: set[asyncio.Future[Any]] = {begun[0], failed}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            raise failed.result()
        return begun.popleft().result()

    begun: deque[asyncio.Task[Result]] = deque()
    try:
        async for item in items:
            begun.append(asyncio.create_task(worked(item)))
            if len(begun) >= at_once:
                yield await first()
        while begun:
            yield await first()
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        failed.cancel()
