"""One thread for work of different lengths: the shortest request goes first, of equals the one that came first.

A message that somebody waits for is a short request, and overtakes a history that is being read. What has begun is
carried to its end, so a long request is best given in pieces, each with the length of the whole.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(order=True, slots=True)
class _Piece:
    length: int
    number: int
    future: Future[Any] = field(compare=False)
    call: Callable[[], Any] = field(compare=False)


class ShortFirst:
    """Does what is submitted, one piece at a time."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: list[_Piece] = []

    def submit(self, length: int, call: Callable[[], T]) -> Future[T]:
        """Have `call` done when everything shorter is; cancelling drops it while it waits.

        Raises:
            RuntimeError: it was shut down.
        """
        future: Future[T] = Future()
        with self._lock:
            heapq.heappush(self._waiting, _Piece(length, next(self._numbers), future, call))
        self._thread.submit(self._do_next)
        return future

    def shutdown(self) -> None:
        """End once what has begun is done; what waits is cancelled."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for piece in waiting:
            piece.future.cancel()

    def _do_next(self) -> None:
        with self._lock:
            if not self._waiting:
                return
            piece = heapq.heappop(self._waiting)
        if not piece.future.set_running_or_notify_cancel():
            return
        try:
            result = piece.call()
        except BaseException as error:
            piece.future.set_exception(error)
        else:
            piece.future.set_result(result)
