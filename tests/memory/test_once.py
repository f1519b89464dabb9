from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from memory.once import once


def test_many_threads_that_want_it_first_read_it_once() -> None:
    reads: list[str] = []
    together = Barrier(8)

    @once
    def read(name: str) -> Sequence[str]:
        reads.append(name)
        return [name]

    def wanted(name: str) -> Sequence[str]:
        together.wait(60)
        return read(name)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(wanted, "aaaabbbb"))
    assert sorted(reads) == ["a", "b"]
    assert all(one is read("a") for one in found[:4])


def test_an_error_is_not_kept() -> None:
    tries: list[int] = []

    @once
    def read() -> int:
        tries.append(len(tries))
        if len(tries) == 1:
            raise OSError("not yet")
        return len(tries)

    with pytest.raises(OSError, match="not yet"):
        read()
    assert read() == read() == 2
