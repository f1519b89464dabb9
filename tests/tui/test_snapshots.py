"""How it looks, at the smallest size and at a comfortable one; `pytest --snapshot-update` accepts a new look."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from assistant import wire
from tests.fakes.driven_app import DrivenApp
from tests.fakes.scripted_backend import CARD, KEY, ScriptedBackend
from tui.app import AttuneApp
from tui.backend import Launch

SIZES = [pytest.param((80, 24), id="80x24"), pytest.param((120, 40), id="120x40")]

Act = Callable[[DrivenApp], Awaitable[None]]
Look = Callable[[Act, tuple[int, int]], bool]


@pytest.fixture
def backend() -> Iterator[ScriptedBackend]:
    """The scripted backend in a thread of its own, because the snapshot runs an event loop of its own."""
    backend, listening, enough = ScriptedBackend(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with backend.serve():
            listening.set()
            await enough.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    listening.wait()
    yield backend
    loop.call_soon_threadsafe(enough.set)
    thread.join()
    loop.close()


@pytest.fixture
def looks_as_before(backend: ScriptedBackend, tmp_path: Path, snap_compare: Callable[..., bool]) -> Look:
    def look(act: Act, size: tuple[int, int]) -> bool:
        app = AttuneApp(Launch(home=tmp_path, url=backend.url, key=KEY))
        app.animation_level = "none"

        async def drive(pilot: Pilot[Any]) -> None:
            driven = DrivenApp(app, pilot)
            await driven.until(lambda: "connected" in driven.line("#state"), "the connection")
            await act(driven)

        return snap_compare(app, run_before=drive, terminal_size=size)

    return look


async def nothing(chat: DrivenApp) -> None:
    """Show what is there at first."""


@pytest.mark.parametrize("size", SIZES)
def test_the_greeting(looks_as_before: Look, size: tuple[int, int]) -> None:
    assert looks_as_before(nothing, size)


@pytest.mark.parametrize("size", SIZES)
def test_the_chat(backend: ScriptedBackend, looks_as_before: Look, size: tuple[int, int]) -> None:
    backend.say(
        wire.Notice(code="ai", text="Attune is an AI, not a person and not a therapist. It can be wrong."),
        "Welcome, Ada. What was the **hardest** part of the first week?",
    )
    backend.say(
        wire.ContextUsed(facts=["Ada started a new job in Oslo.", "Ada has a dog called Biscuit."]),
        "Meetings without an end wear anybody out. Three small things:\n\n",
        "1. One evening without the laptop\n2. A walk with *Biscuit* before dinner\n3. Ask for `focus time`\n\n",
        "Which one feels possible?",
    )

    async def act(chat: DrivenApp) -> None:
        await chat.say("Hi, I am Ada. I started a new job in Oslo, and I am exhausted.")
        await chat.say("The meetings. They never end,\nand I have no time for Biscuit.")

    assert looks_as_before(act, size)


@pytest.mark.parametrize("size", SIZES)
def test_the_crisis_card(backend: ScriptedBackend, looks_as_before: Look, size: tuple[int, int]) -> None:
    backend.say(wire.Safety(level="high", resources=CARD), "I am glad you told me. Are you safe right now?")

    async def act(chat: DrivenApp) -> None:
        await chat.say("I do not want to live like this any more.")

    assert looks_as_before(act, size)


@pytest.mark.parametrize("size", SIZES)
def test_the_memories(backend: ScriptedBackend, looks_as_before: Look, size: tuple[int, int]) -> None:
    backend.remember("Ada has a dog called Biscuit.", "I have no time for Biscuit, my dog", "relationship")
    backend.remember("Ada started a new job in Oslo.", "I started a new job in Oslo", "work")
    backend.remember("Ada prefers tea to coffee.", "tea please, never coffee", "preference")

    async def act(chat: DrivenApp) -> None:
        await chat.pilot.press("f3")
        await chat.until(lambda: bool(chat.app.screen.query(OptionList)), "the page")
        await chat.until(lambda: chat.line("#count") == "3 memories", "the memories")

    assert looks_as_before(act, size)


@pytest.mark.parametrize("size", SIZES)
def test_the_help(looks_as_before: Look, size: tuple[int, int]) -> None:
    async def act(chat: DrivenApp) -> None:
        await chat.pilot.press("f1")

    assert looks_as_before(act, size)


def test_the_light_theme(backend: ScriptedBackend, looks_as_before: Look) -> None:
    async def act(chat: DrivenApp) -> None:
        await chat.pilot.press("f4")
        await chat.say("A light evening.")

    assert looks_as_before(act, (80, 24))
