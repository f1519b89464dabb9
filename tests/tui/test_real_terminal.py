"""The real program in a real terminal (tmux), typed into and read, on the whole backend with the builtin responder."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tui.preferences import Preferences

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Terminal:
    """A tmux session with one program in it."""

    socket: str

    async def run(self, *arguments: str) -> str:
        """Run a tmux command and return what it printed."""
        process = await asyncio.create_subprocess_exec("tmux", "-L", self.socket, *arguments, stdout=-1, stderr=-1)
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode()

    async def type(self, text: str, *keys: str) -> None:
        """Type a text and press keys."""
        if text:
            await self.run("send-keys", "-l", text)
        for key in keys:
            await self.run("send-keys", key)

    async def until(self, words: str) -> str:
        """Wait until these words are on the screen; returns the screen."""
        shown = ""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while words not in shown:
                    await asyncio.sleep(0.1)
                    shown = await self.run("capture-pane", "-p")
        except TimeoutError:
            pytest.fail(f"{words!r} did not appear:\n{shown}")
        return shown


@pytest.fixture
async def attune(tmp_path: Path) -> AsyncIterator[Backend]:
    async with running(tmp_path / "backend", embedder=shared_embedder()) as backend:
        yield backend


@pytest.fixture
async def terminal(attune: Backend, tmp_path: Path) -> AsyncIterator[Terminal]:
    """A terminal with a shell in which the client's surroundings are set."""
    Preferences(met=True).save(tmp_path)
    terminal = Terminal(f"attune-{uuid.uuid4().hex}")
    environ = {"ATTUNE_HOME": str(tmp_path), "ATTUNE_URL": attune.url, "ATTUNE_KEY": attune.key}
    names = [word for name, value in environ.items() for word in ("-e", f"{name}={value}")]
    await terminal.run("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", *names, "sh")
    try:
        yield terminal
    finally:
        await terminal.run("kill-server")


def program(*arguments: str) -> str:
    return f"clear; {shlex.join([sys.executable, '-m', 'tui'])} {' '.join(arguments)}; echo it 'has left'"


async def replied(backend: Backend) -> None:
    """Wait until the backend has stored a reply."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for one in (await backend.client.get("/v1/conversations")).json()["data"]:
                if [m["role"] for m in await backend.messages(one["id"])][-1:] == ["assistant"]:
                    return
            await asyncio.sleep(0.1)


async def test_a_person_chats_looks_at_the_pages_and_leaves(attune: Backend, terminal: Terminal) -> None:
    await terminal.type(program(), "Enter")
    await terminal.until("connected")
    await terminal.type("I am Maya, and I have a dog called Biscuit.", "Enter")
    await replied(attune)
    await terminal.type("", "F2")
    assert "Conscientiousness" in await terminal.until("not yet known")
    await terminal.type("", "F9")
    await terminal.until("Where to turn")
    await terminal.type("", "Escape")
    await terminal.type("", "C-q")
    await terminal.until("it has left")


async def test_the_screen_is_seen_where_errors_go_into_a_file(terminal: Terminal, tmp_path: Path) -> None:
    await terminal.type(program(f"2>{shlex.quote(str(tmp_path / 'log'))}"), "Enter")
    await terminal.until("rite to Attune")
    await terminal.type("", "C-q")
    await terminal.until("it has left")
    assert (tmp_path / "log").read_text(encoding="utf-8") == ""


async def test_pasted_bytes_that_are_no_text_do_no_harm(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(bytes(range(0x80, 0x100)) * 40)
    await terminal.type(program(), "Enter")
    await terminal.until("rite to Attune")
    await terminal.run("load-buffer", str(tmp_path / "picture"))
    await terminal.run("paste-buffer", "-p")
    await terminal.until("\ufffd")
    await terminal.type("still here")
    await terminal.until("still here")
    await terminal.type("", "C-q")
    await terminal.until("it has left")


async def test_the_plain_mode_asks_answers_and_takes_commands(terminal: Terminal) -> None:
    await terminal.type(program("--plain"), "Enter")
    await terminal.until("You:")
    await terminal.type("I am tired today.", "Enter")
    shown = await terminal.until("Attune: ")
    assert "│" not in shown
    await terminal.type("/why", "Enter")
    await terminal.until("plan: helping skills")
    await terminal.type("/set country NO", "Enter")
    await terminal.until("country: NO")
    await terminal.type("/quit", "Enter")
    await terminal.until("it has left")
