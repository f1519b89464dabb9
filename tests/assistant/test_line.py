"""The waiting line: bounded, fair by person, first for who is in a crisis."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from assistant.line import Line


async def _wait_in(line: Line, person: str, order: list[str], stop: asyncio.Event, *, urgent: bool = False) -> None:
    async with line.place(person, stop, urgent=urgent) as come:
        order.append(person if come else f"{person} left")


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_people_take_turns_however_much_one_of_them_asks_for() -> None:
    line, stop = Line(1, 10), asyncio.Event()
    order: list[str] = []
    async with line.place("first", stop):
        tasks = [
            asyncio.create_task(_wait_in(line, person, order, stop))
            for person in ("ada", "ada", "ada", "bob", "cleo", "bob")
        ]
        await _settle()
        assert (line.speaking, line.waiting) == (1, 6)
        tasks.append(asyncio.create_task(_wait_in(line, "dag", order, stop, urgent=True)))
        await _settle()
    await asyncio.gather(*tasks)
    assert order == ["dag", "ada", "bob", "cleo", "ada", "bob", "ada"]
    assert (line.speaking, line.waiting) == (0, 0)


async def test_who_is_stopped_leaves_the_line_and_holds_nobody_up() -> None:
    line, stop = Line(1, 10), asyncio.Event()
    order: list[str] = []
    theirs = asyncio.Event()
    async with line.place("first", stop):
        leaving = asyncio.create_task(_wait_in(line, "ada", order, theirs))
        staying = asyncio.create_task(_wait_in(line, "bob", order, stop))
        cancelled = asyncio.create_task(_wait_in(line, "cleo", order, stop))
        await _settle()
        theirs.set()
        await leaving
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert line.waiting == 1
    await staying
    assert order == ["ada left", "bob"]
    assert (line.speaking, line.waiting) == (0, 0)


async def test_who_is_stopped_in_the_moment_their_place_comes_passes_it_on() -> None:
    line, stop = Line(1, 10), asyncio.Event()
    order: list[str] = []
    theirs = asyncio.Event()
    async with line.place("first", stop):
        tasks = [
            asyncio.create_task(_wait_in(line, "ada", order, theirs)),
            asyncio.create_task(_wait_in(line, "bob", order, stop)),
        ]
        await _settle()
        theirs.set()
    await asyncio.gather(*tasks)
    assert order == ["ada left", "bob"]
    assert line.speaking == 0


def test_a_full_line_refuses_and_says_when_to_come_back() -> None:
    line = Line(2, 3)
    assert line.refusal(running=4) is None
    refusal = line.refusal(running=5)
    assert refusal is not None
    assert (refusal.status, refusal.code) == (503, "model_busy")
    assert 1 <= (refusal.retry_after or 0) <= 60


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.sampled_from(["stay", "stop", "cancel"])), max_size=25)
)
def test_no_place_is_ever_lost_or_given_twice(arrivals: list[tuple[str, bool, str]]) -> None:
    async def play() -> None:
        line, stops, tasks, most = Line(2, 100), [], [], 0

        async def speak(person: str, stop: asyncio.Event, urgent: bool) -> None:
            nonlocal most
            async with line.place(person, stop, urgent=urgent) as come:
                if come:
                    most = max(most, line.speaking)
                    await asyncio.sleep(0)

        for person, urgent, fate in arrivals:
            stop = asyncio.Event()
            stops.append(stop)
            task = asyncio.create_task(speak(person, stop, urgent))
            tasks.append(task)
            await asyncio.sleep(0)
            if fate == "stop":
                stop.set()
            elif fate == "cancel":
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (line.speaking, line.waiting) == (0, 0)
        assert most <= 2

    asyncio.run(play())
