"""Reading something once for the whole process, also where several threads want it first at the same time.

`functools.cache` alone lets each of them read it, which takes most of a second for what screening needs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from threading import Lock
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def once(read: Callable[P, R]) -> Callable[P, R]:
    """Let `read` run once for each of its arguments; an error is not kept, so that the next call tries again."""
    lock, kept = Lock(), cache(read)

    @wraps(read)
    def locked(*args: P.args, **kwargs: P.kwargs) -> R:
        with lock:
            return kept(*args, **kwargs)  # type: ignore[arg-type]

    return locked
