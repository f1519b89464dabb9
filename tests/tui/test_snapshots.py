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
from tests.fakes.scripted_person import lively
from tui.app import AttuneApp
from tui.backend import Launch
from tui.preferences import Preferences
from tui.screens.ask import ChooseScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.conversations import ConversationsScreen
from tui.screens.first_run import FirstRunScreen
from tui.screens.memories import MemoriesScreen
from tui.screens.persona import PersonaScreen
from tui.screens.resources import ResourcesScreen
from tui.screens.settings import SettingsScreen
from tui.screens.why import WhyScreen
from tui.widgets.panel import Panel

SIZES = ((80, 24), (120, 40))
THEMES = ("dark", "light")
LOOKS = [
    pytest.param(((width, height), theme), id=f"{width}x{height}-{theme}")
    for width, height in SIZES
    for theme in THEMES
]

Size = tuple[tuple[int, int], str]
Act = Callable[[DrivenApp], Awaitable[None]]
Look = Callable[..., bool]


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
    def look(act: Act, size: Size, *, met: bool = True) -> bool:
        Preferences(met=met, theme=size[1]).save(tmp_path)
        app = AttuneApp(Launch(home=tmp_path, url=backend.url, key=KEY))
        app.animation_level = "none"

        async def drive(pilot: Pilot[Any]) -> None:
            driven = DrivenApp(app, pilot)
            await driven.connected()
            await act(driven)

        return snap_compare(app, run_before=drive, terminal_size=size[0])

    return look


async def nothing(chat: DrivenApp) -> None:
    """Show what is there at first."""


@pytest.mark.parametrize("size", LOOKS)
def test_the_greeting(looks_as_before: Look, size: Size) -> None:
    assert looks_as_before(nothing, size)


@pytest.mark.parametrize("size", LOOKS)
def test_the_chat(backend: ScriptedBackend, looks_as_before: Look, size: Size) -> None:
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


@pytest.mark.parametrize("size", LOOKS)
def test_the_crisis_card(backend: ScriptedBackend, looks_as_before: Look, size: Size) -> None:
    backend.say(wire.Safety(level="high", resources=CARD), "I am glad you told me. Are you safe right now?")

    async def act(chat: DrivenApp) -> None:
        await chat.say("I do not want to live like this any more.")

    assert looks_as_before(act, size)


@pytest.mark.parametrize("size", LOOKS)
def test_the_memories(backend: ScriptedBackend, looks_as_before: Look, size: Size) -> None:
    backend.remember("Ada has a dog called Biscuit.", "I have no time for Biscuit, my dog", "relationship")
    backend.remember("Ada started a new job in Oslo.", "I started a new job in Oslo", "work")
    backend.remember("Ada prefers tea to coffee.", "tea please, never coffee", "preference")

    async def act(chat: DrivenApp) -> None:
        await chat.pilot.press("f3")
        await chat.until(lambda: bool(chat.app.screen.query(OptionList)), "the page")
        await chat.until(lambda: "3 memories" in chat.line("#count"), "the memories")

    assert looks_as_before(act, size)


@pytest.mark.parametrize("size", LOOKS)
def test_what_would_be_forgotten(backend: ScriptedBackend, looks_as_before: Look, size: Size) -> None:
    fact = backend.remember("Ada has a dog called Biscuit.", "I have no time for Biscuit, my dog", "relationship")
    older = backend.remember("Ada has a dog.", "my dog", "relationship")
    backend.goes_along[fact.id] = [older.id]

    async def act(chat: DrivenApp) -> None:
        await chat.pilot.press("f3")
        await chat.shows(MemoriesScreen, 2)
        await chat.pilot.press("f8")
        await chat.shows(ConfirmScreen)

    assert looks_as_before(act, size)


@pytest.mark.parametrize("size", LOOKS)
def test_where_to_turn(looks_as_before: Look, size: Size) -> None:
    async def act(chat: DrivenApp) -> None:
        await chat.pilot.press("f9")
        await chat.shows(ResourcesScreen)
        await chat.until(lambda: bool(chat.app.screen.query(Panel)), "the card")

    assert looks_as_before(act, size)


@pytest.mark.parametrize("size", LOOKS)
def test_the_help(looks_as_before: Look, size: Size) -> None:
    async def act(chat: DrivenApp) -> None:
        await chat.pilot.press("f1")

    assert looks_as_before(act, size)


@pytest.mark.parametrize("size", LOOKS)
def test_the_persona(backend: ScriptedBackend, looks_as_before: Look, size: Size) -> None:
    backend.person.traits = lively()

    async def act(chat: DrivenApp) -> None:
        await chat.pilot.press("f2")
        await chat.shows(PersonaScreen, 5)

    assert looks_as_before(act, size)


@pytest.mark.parametrize("size", LOOKS)
def test_why_a_reply_was_said(backend: ScriptedBackend, looks_as_before: Look, size: Size) -> None:
    fact = backend.remember("Ada has a dog called Biscuit.", "my dog Biscuit")
    backend.say("How is Biscuit?")
    backend.reasons["How is Biscuit?"] = wire.Why(
        message_id="",
        recorded=True,
        policy_version="tuned-3",
        facts=[wire.FactUsed(id=fact.id, text=fact.text, status="active", evidence=fact.evidence)],
        persona=wire.PersonaUsed(version="p1", current=True, traits={"openness": 55.0, "neuroticism": 44.0}),
        plan={"category": "everyday", "strategies": ["question"], "because": ["the message is small talk"]},
    )

    async def act(chat: DrivenApp) -> None:
        await chat.say("guess")
        await chat.pilot.press("f7")
        await chat.shows(WhyScreen, 3)

    assert looks_as_before(act, size)


@pytest.mark.parametrize("size", LOOKS)
def test_the_settings(looks_as_before: Look, size: Size) -> None:
    async def act(chat: DrivenApp) -> None:
        await chat.pilot.press("f10")
        await chat.shows(SettingsScreen, 7)

    assert looks_as_before(act, size)


@pytest.mark.parametrize("size", LOOKS)
def test_the_conversations(backend: ScriptedBackend, looks_as_before: Look, size: Size) -> None:
    backend.converse("Rain in Bergen", "does it rain?", "it does")
    backend.converse("A new job: 新しい仕事 🎉", "I have a new job", "Congratulations!")

    async def act(chat: DrivenApp) -> None:
        await chat.pilot.press("ctrl+b")
        await chat.shows(ConversationsScreen, 2)

    assert looks_as_before(act, size)


@pytest.mark.parametrize("size", LOOKS)
def test_the_questionnaire(looks_as_before: Look, size: Size) -> None:
    async def act(chat: DrivenApp) -> None:
        await chat.pilot.press("f2")
        await chat.shows(PersonaScreen, 5)
        await chat.pilot.press("a")
        await chat.shows(ChooseScreen, 2)
        await chat.pilot.press("enter")
        await chat.until(lambda: "number 1." in chat.line("#statement"), "the statement")
        await chat.pilot.press("4")
        await chat.until(lambda: "number 2." in chat.line("#statement"), "the next")

    assert looks_as_before(act, size)


@pytest.mark.parametrize("size", LOOKS)
def test_the_first_page(looks_as_before: Look, size: Size, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_AT.UTF-8")

    async def act(chat: DrivenApp) -> None:
        await chat.shows(FirstRunScreen)
        await chat.until(lambda: "Scripted replies" in chat.line("#answers"), "what answers")

    assert looks_as_before(act, size, met=False)
