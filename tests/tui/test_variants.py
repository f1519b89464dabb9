"""Several replies in one place, and several wordings: told apart and gone back to, on the whole backend."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.backend import running
from tests.fakes.driven_app import driven
from tests.fakes.embedding import shared_embedder
from tui.backend import Launch


async def test_replies_and_wordings_are_told_apart_and_gone_back_to(tmp_path: Path) -> None:
    async with (
        running(tmp_path / "backend", embedder=shared_embedder()) as backend,
        driven(Launch(home=tmp_path, url=backend.url, key=backend.key)) as chat,
    ):
        await chat.say("I play the cello.")
        await chat.pilot.press("f5")
        await chat.until(lambda: "2 of 2" in chat.seen[-1], "the count of replies")
        await chat.pilot.press("alt+up", "left")
        await chat.until(lambda: "1 of 2" in chat.seen[-1], "the first reply")
        await chat.pilot.press("f6", *" Often.", "enter")
        await chat.until(lambda: "2 of 2" in chat.picture and not chat.app.chat.answering, "the count of wordings")
        await chat.pilot.press("alt+up", "up", "left")
        await chat.until(lambda: "You: I play the cello." in chat.seen and "1 of 2" in chat.picture, "the first words")
