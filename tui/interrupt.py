"""Running a coroutine until it ends or Ctrl+C ends it.

`asyncio.Runner` leaves Ctrl+C to a handler that only runs once the loop wakes up, and nothing wakes it where the signal
comes just before it falls asleep, or to another thread: the key would do nothing until the next byte from the backend.
Here the signal itself wakes the loop. Where a loop knows no signals (Windows), the runner's own way has to do.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(runner: asyncio.Runner, work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in the runner's loop.

    Raises:
        KeyboardInterrupt: Ctrl+C was pressed; `work` has been cancelled, or, pressed twice, left behind.
    """
    loop, watch = runner.get_loop(), _Watch()
    try:
        loop.add_signal_handler(signal.SIGINT, watch.press)
    except NotImplementedError:
        return runner.run(work)
    try:
        return runner.run(watch.over(work))
    except asyncio.CancelledError:
        if watch.presses:
            raise KeyboardInterrupt from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)


class _Watch:
    """Cancels one task at the first Ctrl+C and leaves it behind at the second."""

    def __init__(self) -> None:
        self.presses = 0
        self._task: asyncio.Task[Any] | None = None

    async def over(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work as the task that Ctrl+C ends."""
        self._task = asyncio.current_task()
        return await work

    def press(self) -> None:
        """Take one Ctrl+C; the loop calls it, so the task has begun."""
        self.presses += 1
        if self.presses > 1:
            raise KeyboardInterrupt
        if self._task is not None:
            self._task.cancel()
