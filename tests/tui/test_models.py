"""Which model answers: what is found, what leaves the machine, what is downloaded, and that it is asked first."""

from __future__ import annotations

import sys
from pathlib import Path

from textual.widgets import Button

from assistant import wire
from tests.fakes.driven_app import DrivenApp, driven
from tests.fakes.scripted_backend import ScriptedBackend
from tui import offers
from tui.backend import Launch
from tui.errors import TerminalError
from tui.link import Link
from tui.screens.confirm import ConfirmScreen
from tui.screens.first_run import FirstRunScreen
from tui.screens.models import ModelsScreen
from tui.screens.settings import SettingsScreen


async def open_models(chat: DrivenApp) -> None:
    await chat.pilot.press("f10")
    await chat.shows(SettingsScreen, 7)
    await chat.pilot.press("m")
    await chat.shows(ModelsScreen, 4)


async def test_a_model_on_this_machine_is_chosen_at_once(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await open_models(chat)
    assert "llama3.2 on a server on this machine" in chat.picture
    await chat.pilot.press("enter")
    await chat.shows(SettingsScreen, 7)
    assert backend.person.used == [wire.ModelChoice(name="ollama/llama3.2")]
    await chat.until(lambda: any("next start" in toast for toast in chat.toasts), "what came of it")


async def test_where_text_would_leave_the_machine_it_is_said_and_asked(
    backend: ScriptedBackend, chat: DrivenApp
) -> None:
    await open_models(chat)
    await chat.pilot.press("down", "enter")
    await chat.shows(ConfirmScreen)
    assert "What you write would leave this machine!" in chat.line("#question")
    await chat.pilot.press("enter")
    await chat.shows(ModelsScreen, 4)
    assert backend.person.used == []
    await chat.pilot.press("enter")
    await chat.shows(ConfirmScreen)
    await chat.pilot.press("y")
    await chat.shows(SettingsScreen, 7)
    assert backend.person.used == [wire.ModelChoice(name="openai", agree=True)]


async def test_a_download_is_asked_with_its_size(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await open_models(chat)
    await chat.pilot.press("up", "enter")
    await chat.shows(ConfirmScreen)
    assert "About 1.5 GB to download" in chat.line("#question")
    assert "stays on this machine" in chat.line("#question")
    await chat.pilot.press("y")
    await chat.shows(SettingsScreen, 7)
    assert backend.person.used[0].name.startswith("download/")


async def test_a_download_that_fails_is_said_and_can_be_chosen_again(backend: ScriptedBackend, chat: DrivenApp) -> None:
    backend.person.downloading = (wire.ModelStep(type="error", message="the hub cannot be reached"),)
    await open_models(chat)
    await chat.pilot.press("up", "enter")
    await chat.shows(ConfirmScreen)
    await chat.pilot.press("y")
    await chat.until(lambda: any("the hub cannot be reached" in toast for toast in chat.toasts), "the word")
    await chat.shows(ModelsScreen, 4)


async def test_the_first_page_says_what_was_found_and_leads_to_the_choice(
    backend: ScriptedBackend, launch: Launch
) -> None:
    async with driven(launch, met=False) as chat:
        await chat.shows(FirstRunScreen)
        await chat.until(lambda: "Found: ollama/llama3.2, openai" in chat.line("#answers"), "what was found")
        assert "openai (there, what you write leaves this machine)" in chat.line("#answers")
        chat.app.screen.query_one("#another", Button).press()
        await chat.shows(ModelsScreen, 4)
        await chat.pilot.press("enter")
        await chat.shows(FirstRunScreen)
        assert [choice.name for choice in backend.person.used] == ["ollama/llama3.2"]


async def test_who_does_not_run_the_backend_is_not_offered_a_choice(backend: ScriptedBackend, launch: Launch) -> None:
    backend.person.operates = False
    async with driven(launch, met=False) as chat:
        await chat.shows(FirstRunScreen)
        await chat.until(lambda: "Scripted replies" in chat.line("#answers"), "what answers")
        assert not chat.app.screen.query_one("#another", Button).display


async def test_a_backend_of_ours_starts_again_with_the_choice(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "tests.fakes.scripted_backend")
    states: list[str] = []
    link = Link(Launch(tmp_path, command=command), lambda state: states.append(state.kind))
    try:
        client = await link.ready()
        assert link.backend is not None
        assert link.backend.process is not None
        first = link.backend.process.pid
        offer = (await client.model_offers()).data[0]
        told: list[str] = []
        assert await offers.choose(link, offer, told.append) == "ollama/llama3.2 answers now"
        assert link.backend.process.pid != first
        assert states[-1] == "ready"
    except TerminalError as error:
        raise AssertionError(error.message) from error
    finally:
        if link.backend is not None:
            link.backend.ask_to_stop()
            await link.backend.stopped()
        await link.close()


def test_a_download_says_how_far_it_is() -> None:
    half = wire.ModelStep(type="downloading", done=760_000_000, total=1_520_000_000)
    assert offers.progress(half) == "downloading: ██████████░░░░░░░░░░ 50%, 760 MB of 1.5 GB"
    assert offers.progress(wire.ModelStep(type="downloading", done=5_000_000)) == "downloading: 5 MB"
