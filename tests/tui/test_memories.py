"""What is remembered: seen, corrected, added, forgotten."""

from __future__ import annotations

from tests.fakes.driven_app import DrivenApp
from tests.fakes.scripted_backend import ScriptedBackend
from tui.screens.ask import AskScreen
from tui.screens.chat import ChatScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.memories import MemoriesScreen
from tui.widgets.picker import Picker


async def open_memories(chat: DrivenApp, count: int) -> None:
    await chat.pilot.press("f3")
    await chat.until(lambda: isinstance(chat.app.screen, MemoriesScreen) and chat.listed == count, "the memories")


async def test_memories_are_listed_with_the_words_they_rest_on(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.remember("Ada has a dog called Biscuit.", "my dog Biscuit")
    await open_memories(chat, 1)
    await chat.until(lambda: "Ada has a dog called Biscuit." in chat.picture, "the memory")
    assert "“my dog Biscuit”" in chat.picture
    await chat.pilot.press("escape")
    await chat.until(lambda: isinstance(chat.app.screen, ChatScreen), "the chat")


async def test_a_memory_is_forgotten_after_asking(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.remember("Ada has a dog called Biscuit.", "my dog Biscuit")
    work = backend.remember("Ada works in Oslo.", "I work in Oslo")
    tired = backend.remember("Ada is tired of her job in Oslo.", "I work in Oslo")
    backend.goes_along[work.id] = [tired.id]
    await open_memories(chat, 3)
    await chat.pilot.press(*"works")
    await chat.until(lambda: chat.listed == 1, "the filter")
    await chat.pilot.press("f8")
    await chat.until(lambda: isinstance(chat.app.screen, ConfirmScreen), "the question")
    question = chat.line("#question")
    assert "Ada works in Oslo." in question
    assert "With it goes:\n  • Ada is tired of her job in Oslo." in question
    await chat.pilot.press("y")
    await chat.until(lambda: len(backend.memories) == 1, "the forgetting")
    await chat.pilot.press(*["backspace"] * 5)
    await chat.until(lambda: chat.listed == 1, "the shorter list")


async def test_after_one_is_forgotten_its_neighbour_is_marked(backend: ScriptedBackend, chat: DrivenApp) -> None:
    held = {memory.id: memory for memory in (backend.remember(f"Ada has {n} cats.", "cats") for n in range(4))}
    await open_memories(chat, 4)
    picker = chat.app.screen.query_one(Picker)
    await chat.pilot.press("down")
    gone = picker.marked
    await chat.pilot.press("down")
    neighbour = picker.marked
    await chat.pilot.press("up", "f8")
    await chat.shows(ConfirmScreen)
    await chat.pilot.press("y")
    await chat.until(lambda: chat.listed == 3, "the shorter list")
    assert gone not in backend.memories
    assert picker.marked == neighbour
    await chat.pilot.press(*held[str(neighbour)].text.split()[2])
    assert (chat.listed, picker.marked) == (1, neighbour)


async def test_the_harmless_answer_is_in_front(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.remember("Ada works in Oslo.", "I work in Oslo")
    await open_memories(chat, 1)
    await chat.pilot.press("f8")
    await chat.until(lambda: isinstance(chat.app.screen, ConfirmScreen), "the question")
    await chat.pilot.press("enter")
    await chat.until(lambda: isinstance(chat.app.screen, MemoriesScreen), "the memories")
    assert len(backend.memories) == 1


async def test_a_memory_that_is_gone_already_is_said(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.remember("Ada works in Oslo.", "I work in Oslo")
    await open_memories(chat, 1)
    backend.memories.clear()
    await chat.pilot.press("f8")
    await chat.until(lambda: bool(chat.toasts), "the error")
    assert "is remembered" in chat.toasts[-1]
    await chat.pilot.press("f5")
    await chat.until(lambda: chat.listed == 0, "the empty list")
    assert "Nothing yet" in chat.line("Picker .empty")


async def test_a_memory_is_corrected(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.remember("Ada works in Oslo.", "I work in Oslo")
    await open_memories(chat, 1)
    await chat.pilot.press("enter")
    await chat.shows(AskScreen)
    await chat.pilot.press(*["backspace"] * 5, *"Rome.", "enter")
    await chat.until(lambda: [m.text for m in backend.memories.values()] == ["Ada works in Rome."], "the correction")
    await chat.until(lambda: "Rome" in chat.picture, "the page")


async def test_something_is_added(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await open_memories(chat, 0)
    await chat.pilot.press("f6")
    await chat.shows(AskScreen)
    await chat.pilot.press(*"I swim", "enter")
    await chat.until(lambda: [m.text for m in backend.memories.values()] == ["I swim"], "the memory")


async def test_a_memory_is_confirmed_or_declined(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.remember("Ada works in Oslo.", "I work in Oslo")
    await open_memories(chat, 1)
    await chat.pilot.press("alt+y")
    await chat.until(lambda: "you said it is right" in chat.picture, "the confirmation")
    await chat.pilot.press("alt+n")
    await chat.until(lambda: not backend.memories, "the end of it")
