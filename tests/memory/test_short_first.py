import threading
from concurrent.futures import CancelledError

import pytest

from memory.short_first import ShortFirst

PATIENCE_S = 60


def test_the_shortest_goes_first_and_of_equals_the_one_that_came_first() -> None:
    work, begun, go, done = ShortFirst("test"), threading.Event(), threading.Event(), list[str]()

    def hold() -> None:
        begun.set()
        go.wait(PATIENCE_S)

    holding = work.submit(100, hold)
    assert begun.wait(PATIENCE_S)
    names = {"long": 50, "short": 2, "shorter": 1, "short again": 2}
    pieces = [work.submit(length, lambda name=name: done.append(name)) for name, length in names.items()]  # type: ignore[misc]
    dropped = work.submit(1, lambda: done.append("dropped"))
    assert dropped.cancel()
    go.set()
    for piece in [holding, *pieces]:
        piece.result(PATIENCE_S)
    assert done == ["shorter", "short", "short again", "long"]
    work.shutdown()


def test_what_fails_fails_alone_and_what_waits_when_it_ends_is_cancelled() -> None:
    work, begun, go = ShortFirst("test"), threading.Event(), threading.Event()
    with pytest.raises(ZeroDivisionError):
        work.submit(1, lambda: 1 // 0).result(PATIENCE_S)

    def hold() -> str:
        begun.set()
        go.wait(PATIENCE_S)
        return "held"

    holding = work.submit(1, hold)
    assert begun.wait(PATIENCE_S)
    waiting = work.submit(1, lambda: "never")
    work.shutdown()
    go.set()
    assert holding.result(PATIENCE_S) == "held"
    with pytest.raises(CancelledError):
        waiting.result(PATIENCE_S)
    with pytest.raises(RuntimeError):
        work.submit(1, lambda: None)
