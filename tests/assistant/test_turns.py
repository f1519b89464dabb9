"""Turns: many listeners, late listeners, nobody listening."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from assistant import wire
from assistant.turns import Produce, Turn, Turns
from tests.fakes.gate import Gate


def spoken(*pieces: str | Gate) -> Produce:
    async def produce(stream_id: str, stop: asyncio.Event) -> AsyncIterator[wire.Event]:
        for seq, piece in enumerate(pieces, start=1):
            if isinstance(piece, Gate):
                opened = asyncio.ensure_future(piece.passing())
                stopped = asyncio.ensure_future(stop.wait())
                await asyncio.wait({opened, stopped}, return_when=asyncio.FIRST_COMPLETED)
                opened.cancel()
                stopped.cancel()
                if stop.is_set():
                    return
            else:
                yield wire.Delta(seq=seq, text=piece)

    return produce


async def texts(turn: Turn, after: int = 0) -> list[str]:
    return [event.text async for _, event in turn.follow(after) if isinstance(event, wire.Delta)]


async def test_a_late_listener_hears_the_turn_from_the_start() -> None:
    gate = Gate()
    turn = Turns(60, 60).start("str_1", "usr_1", "con_1", "key", spoken("a", "b", gate, "c"))
    early = asyncio.create_task(texts(turn))
    await gate.reached.wait()
    late = asyncio.create_task(texts(turn))
    gate.open()
    assert await early == await late == ["a", "b", "c"]
    assert await texts(turn) == ["a", "b", "c"]


async def test_a_listener_who_comes_back_hears_only_what_it_missed() -> None:
    turn = Turns(60, 60).start("str_1", "usr_1", "con_1", "key", spoken("a", "b", "c"))
    assert await texts(turn, after=2) == ["c"]


async def test_a_turn_that_nobody_listens_to_is_asked_to_stop() -> None:
    gate = Gate()
    turn = Turns(60, 0).start("str_1", "usr_1", "con_1", "key", spoken("a", gate, "never"))
    async for _ in turn.follow():
        break
    await turn.ended()
    assert turn.stop.is_set()
    assert await texts(turn) == ["a"]


async def test_a_turn_is_found_only_by_its_own_person() -> None:
    turns = Turns(60, 60)
    turn = turns.start("str_1", "usr_1", "con_1", "key", spoken("a"))
    assert turns.get("usr_1", "str_1") is turn
    assert turns.get("usr_2", "str_1") is None
    assert turns.same("usr_2", "key") is None


async def test_what_ends_a_turn_unexpectedly_reaches_its_listeners() -> None:
    async def broken(stream_id: str, stop: asyncio.Event) -> AsyncIterator[wire.Event]:
        yield wire.Delta(seq=1, text="a")
        raise OSError("disk gone")

    turn = Turns(60, 60).start("str_1", "usr_1", "con_1", "key", broken)
    with pytest.raises(OSError, match="disk gone"):
        await texts(turn)


async def test_draining_lets_turns_end_and_then_asks_them_to() -> None:
    turns, gate = Turns(60, 60), Gate()
    turn = turns.start("str_1", "usr_1", "con_1", "key", spoken("a", gate, "never"))
    await gate.reached.wait()
    await turns.drain(0.01)
    assert turn.done
    assert await texts(turn) == ["a"]
    assert turns.running() == []
