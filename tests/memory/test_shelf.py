import asyncio
import threading

import pytest

from memory.shelf import Shelf, Slot


class Cupboard:
    """Counts what is open at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open: list[str] = []
        self.most = 0

    def opener(self, key: str) -> str:
        if key == "stuck":
            raise OSError("stuck")
        with self.lock:
            assert key not in self.open
            self.open.append(key)
            self.most = max(self.most, len(self.open))
        return key

    def closer(self, thing: str) -> None:
        with self.lock:
            self.open.remove(thing)


async def opened(slot: Slot[str]) -> str:
    return await slot.open()


async def test_no_more_than_the_bound_are_open_and_the_longest_unused_goes_first() -> None:
    cupboard = Cupboard()
    shelf = Shelf(cupboard.opener, cupboard.closer, 3)
    for key in "abcad":
        assert await shelf.use(key, opened) == key
    assert sorted(cupboard.open) == ["a", "c", "d"]
    await shelf.aclose()
    assert cupboard.open == []


async def test_many_uses_at_once_stay_within_the_bound() -> None:
    cupboard = Cupboard()
    shelf = Shelf(cupboard.opener, cupboard.closer, 2)
    keys = [str(number % 7) for number in range(100)]
    assert await asyncio.gather(*(shelf.use(key, opened) for key in keys)) == keys
    assert cupboard.most <= 2
    await shelf.aclose()


async def test_uses_of_one_key_take_turns_and_of_different_keys_do_not() -> None:
    shelf = Shelf(str, lambda _thing: None, 4)
    inside: list[str] = []
    both, release = asyncio.Event(), asyncio.Event()

    async def work(slot: Slot[str]) -> None:
        key = await slot.open()
        inside.append(key)
        assert inside.count(key) == 1
        if {"a", "b"} <= set(inside):
            both.set()
        await release.wait()
        inside.remove(key)

    uses = [asyncio.create_task(shelf.use(key, work)) for key in "aab"]
    await both.wait()
    assert sorted(inside) == ["a", "b"]
    release.set()
    await asyncio.gather(*uses)
    await shelf.aclose()


async def test_a_cancelled_use_is_still_carried_to_its_end() -> None:
    shelf = Shelf(str, lambda _thing: None, 1)
    begun, release = asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def work(slot: Slot[str]) -> None:
        begun.set()
        await release.wait()
        ended.append(await slot.open())

    use = asyncio.create_task(shelf.use("a", work))
    await begun.wait()
    use.cancel()
    with pytest.raises(asyncio.CancelledError):
        await use
    release.set()
    await shelf.aclose()
    assert ended == ["a"]


async def test_what_fails_to_open_takes_no_place() -> None:
    cupboard = Cupboard()
    shelf = Shelf(cupboard.opener, cupboard.closer, 1)
    for _ in range(3):
        with pytest.raises(OSError, match="stuck"):
            await shelf.use("stuck", opened)
    assert await shelf.use("a", opened) == "a"
    await shelf.aclose()
