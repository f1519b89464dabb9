"""`python -m tui.tour OUTDIR`: a short conversation in the real app, without a terminal, drawn as SVG.

Talks to the backend at --url, or to one of its own on a data directory that is thrown away. Writes `chat.svg`,
`why.svg`, `persona.svg` and `memories.svg`; docs/pictures is made with it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual.pilot import Pilot

from tui.app import AttuneApp
from tui.backend import Launch
from tui.errors import TerminalError
from tui.preferences import Preferences
from tui.screens.page import Page
from tui.widgets.prompt import Prompt
from tui.widgets.reply import Reply

if TYPE_CHECKING:
    from tui.client import Client

FIRST = (
    "Hi, I'm Maya. I work as a nurse in Bergen. The night shifts wear me out.",
    "I have a dog called Biscuit. I love walking by the sea with him.",
)
LATER = ("Another night shift tomorrow, and I can't calm down. A walk with my dog, maybe?",)
PAGES = {"f7": "why", "f2": "persona", "f3": "memories"}
"""Pages in the order in which they are drawn, by their keys."""
WORD = {"conscientiousness": "high", "extraversion": "low"}
"""What the person says of themselves, so that the page about it shows more than what is not known."""
SIZE = (100, 30)
PATIENCE_S = 120.0
LEARNED = ("Bergen", "Biscuit")
"""Words of memories that are to be there before the pictures are drawn."""
HURRIED = ("words", "timeout")
"""How recall says that it had no time to look by meaning."""
TRIES = 8


async def tour(launch: Launch, out: Path) -> list[Path]:
    """Hold the conversation, wait until something is remembered, talk about it, and draw.

    Raises:
        TerminalError: something did not happen in time.
    """
    from assistant import wire

    Preferences(met=True).save(launch.home)
    app = AttuneApp(launch)
    app.animation_level = "none"
    async with app.run_test(size=SIZE) as pilot:
        try:
            await _ready(await app.link.client())
            for text in FIRST:
                await _say(app, pilot, text)
            client = await app.link.client()
            await _remembered(client)
            for trait, level in WORD.items():
                change = {"trait": trait, "level": level, "frozen": level == "low" or None}
                await client.change_trait(wire.TraitChange.model_validate(change))
            await pilot.press("ctrl+n")
            for text in LATER:
                await _say(app, pilot, text)
            await _recalled(app, pilot, client)
            pictures = [_draw(app, out / "chat.svg")]
            for key, page in PAGES.items():
                await pilot.press(key)
                await _until(pilot, lambda: isinstance(app.screen, Page) and app.screen.loaded, f"the page of {key}")
                pictures.append(_draw(app, out / f"{page}.svg"))
                await pilot.press("escape")
                await _until(pilot, lambda: app.screen is app.chat, "the chat")
            return pictures
        finally:
            if app.link.backend is not None:
                app.link.backend.ask_to_stop()
                await app.link.backend.stopped()


async def _say(app: AttuneApp, pilot: Pilot[str], text: str) -> None:
    app.chat.query_one(Prompt).insert(text)
    await pilot.press("enter")
    await _until(pilot, lambda: not app.chat.answering, f"the reply to {text!r}")
    if not any(reply.text for reply in app.chat.query(Reply)):
        raise TerminalError(f"there was no reply to {text!r}; does 'attune-chat' work?")


async def _ready(client: Client) -> None:
    """Wait until recall knows meanings and not only words.

    Raises:
        TerminalError: it does not get there.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_S
    while (embedder := (await client.ready()).checks.get("embedder", "ok")) != "ok":
        if embedder != "starting" or loop.time() > deadline:
            raise TerminalError(f"the backend cannot recall by meaning: {embedder}; see 'attune doctor'")
        await asyncio.sleep(0.2)


async def _remembered(client: Client) -> None:
    """Wait until it has learned what the pictures are to show.

    Raises:
        TerminalError: it does not learn it.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_S
    while loop.time() < deadline:
        known = " ".join([memory.text for memory in await client.memories()])
        if all(word in known for word in LEARNED):
            return
        await asyncio.sleep(0.5)
    raise TerminalError(f"{' and '.join(LEARNED)} were not learned within {PATIENCE_S:.0f} s")


async def _recalled(app: AttuneApp, pilot: Pilot[str], client: Client) -> None:
    """Ask for another reply while recall had no time to look by meaning, as on a busy machine; for a few times."""
    for _ in range(TRIES):
        reply = app.chat.conversation.chosen("assistant")
        if reply is None or (await client.why(reply.message_id)).recall not in HURRIED:
            return
        await pilot.press("f5")
        await _until(pilot, lambda: not app.chat.answering, "another reply")


async def _until(pilot: Pilot[str], condition: Callable[[], bool], what: str) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_S
    await pilot.pause()
    while not condition():
        if loop.time() > deadline:
            raise TerminalError(f"{what} did not come within {PATIENCE_S:.0f} s")
        await pilot.pause(0.05)
    await pilot.pause()


def _draw(app: AttuneApp, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(app.export_screenshot(title="attune-chat"), encoding="utf-8")
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the pictures; leave with 1 where that was not possible."""
    parser = argparse.ArgumentParser(prog="python -m tui.tour", description="Draw pictures of the terminal client.")
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--url", help="address of a running backend; the conversation is kept there")
    parser.add_argument("--key", help="API key")
    options = parser.parse_args(arguments)
    launch = Launch.from_environment(os.environ, options.url, options.key)
    with tempfile.TemporaryDirectory() as home:
        if launch.url is None:
            launch = replace(launch, home=Path(home))
        try:
            pictures = asyncio.run(tour(launch, options.out))
        except TerminalError as error:
            sys.exit(error.message)
    sys.stdout.writelines(f"{picture}\n" for picture in pictures)


if __name__ == "__main__":
    main()
