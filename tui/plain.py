"""The plain mode: lines in, lines out, append-only; for pipes, scripts, screen readers and simple terminals.

Each line of the input is one message, or a command that begins with a slash. Replies stream to standard output;
everything else is said on lines that begin with a dash, on standard error where nobody sits at the keyboard.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from tui import commands, interrupt, knowing
from tui.backend import STOP_S, Launch
from tui.card import plain_lines
from tui.desk import Sheet
from tui.errors import TerminalError
from tui.link import Link, LinkState
from tui.preferences import Preferences
from tui.turn import Turn, converse

if TYPE_CHECKING:
    from assistant import wire
    from tui.client import Client

FIRST_WORDS = """\
Attune is an AI, not a person and not a therapist, and it can be wrong. It remembers what you tell it; training on it is
off. /settings shows what you allow, /resources where to turn in a crisis, /help everything."""


class Plain:
    """One person at one line-oriented terminal."""

    def __init__(self, launch: Launch, *, interactive: bool) -> None:
        self.link = Link(launch, self._show_state)
        self.interactive = interactive
        self.conversation: wire.Conversation | None = None
        """The conversation that is open; None before the first message of a new one."""
        self.before: wire.Conversation | None = None
        """The one that was open before."""
        self.incognito = False
        self.sheet: Sheet | None = None
        """The questionnaire that is being answered."""
        self.listed: list[wire.Conversation] = []
        """What /list printed last, for /open NUMBER."""
        self._home = launch.home
        self._stream_id: str | None = None
        self._noticed: set[str] = set()
        self._turns = 0
        self._failed = False

    def run(self, texts: list[str] | None) -> int:
        """Say these texts, or each line of the input; returns the exit code."""
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="replace")
        for signum in _hangups():
            signal.signal(signum, _leave)
        if self.interactive and not Preferences.load(self._home).met:
            for line in FIRST_WORDS.splitlines():
                self.note(line)
        with asyncio.Runner() as runner:
            try:
                for text in _lines(self.interactive) if texts is None else texts:
                    if text.strip() == "/quit":
                        break
                    self._do(runner, text)
            except KeyboardInterrupt:
                print(file=sys.stderr)
            finally:
                self._finish(runner)
        return 1 if self._failed else 0

    def _do(self, runner: asyncio.Runner, text: str) -> None:
        """Do one line; Ctrl+C ends it and not the program."""
        try:
            interrupt.run(runner, self._handle(text))
        except TerminalError as error:
            self._failed = True
            print(f"— {error.message}", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            if not self.interactive:
                raise
            print("\n— stopped", flush=True)
            self._cancel(runner)

    def _cancel(self, runner: asyncio.Runner) -> None:
        """Tell the backend too, so that the next message need not wait for it."""
        if self._stream_id is not None:
            with contextlib.suppress(TerminalError, KeyboardInterrupt):
                interrupt.run(runner, self._stop(self._stream_id))

    async def _stop(self, stream_id: str) -> None:
        await (await self.client()).cancel(stream_id)

    async def _handle(self, text: str) -> None:
        name, _, argument = text.rstrip().partition(" ")
        command = commands.named(name)
        if command is not None:
            await command.run(self, argument.strip())
        elif self.sheet is not None:
            await knowing.answer(self, text.strip())
        elif text.strip():
            await self.say(Turn(0, text, self.conversation, incognito=self.incognito))

    # ---------------------------------------------------------------- what commands use

    async def client(self) -> Client:
        """A client of a backend that answers.

        Raises:
            TerminalError: there is none.
        """
        return await self.link.client()

    def show(self, lines: Iterable[str]) -> None:
        """Print what was asked for."""
        for line in lines:
            print(line)
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Say something beside what was asked for."""
        print(f"— {text}", file=sys.stdout if self.interactive else sys.stderr, flush=True)

    async def leave(self) -> None:
        """Leave the conversation; an incognito one is deleted."""
        left, self.conversation, self.incognito = self.conversation, None, False
        if left is None:
            return
        if left.incognito:
            await (await self.client()).delete_conversation(left.id)
        else:
            self.before = left

    async def say(self, turn: Turn) -> None:
        """Say it and print the reply as it comes."""
        said = ""
        self._turns += 1
        turn.number = self._turns
        try:
            async with contextlib.aclosing(converse(self.link, turn)) as events:
                async for event in events:
                    said = self._print(event, said)
                    self._stream_id = turn.stream_id
        finally:
            self.conversation = turn.conversation
            if said:
                print(flush=True)
        self._stream_id = None

    # ---------------------------------------------------------------- events

    def _print(self, event: wire.Event, said: str) -> str:
        """Print one event; returns what was said so far."""
        if event.type == "delta":
            print(event.text if said else f"Attune: {event.text}", end="", flush=True)
            return said + event.text
        if event.type == "message.completed" and not said:
            print(f"Attune: {event.message.text}", end="", flush=True)
            return event.message.text
        if event.type == "message.retracted":
            print(f"\n— The answer above is withdrawn. Instead:\nAttune: {event.replacement}", end="", flush=True)
            return event.replacement
        self._aside(event)
        return said

    def _aside(self, event: wire.Event) -> None:
        if event.type == "notice" and event.text not in self._noticed:
            self._noticed.add(event.text)
            self.note(event.text)
        elif event.type == "safety" and event.resources is not None:
            self.show(f"— {line}" for line in plain_lines(event.resources))

    # ---------------------------------------------------------------- the way out

    def _show_state(self, state: LinkState) -> None:
        if state.kind == "starting":
            self.note(state.text)

    def _finish(self, runner: asyncio.Runner) -> None:
        with contextlib.suppress(TerminalError, KeyboardInterrupt):
            if self.conversation is not None and self.conversation.incognito:
                interrupt.run(runner, self.leave())
        backend = self.link.backend
        if backend is not None and backend.ours:
            backend.ask_to_stop()
            self.note("finishing what you told me…")
            try:
                if not interrupt.run(runner, backend.stopped()):
                    self.note(f"not finished after {STOP_S:.0f} s; it goes on by itself")
            except KeyboardInterrupt:
                self.note("it goes on by itself")
        with contextlib.suppress(KeyboardInterrupt):
            interrupt.run(runner, self.link.close())


def _lines(interactive: bool) -> Iterator[str]:
    """The lines of the input; asked for one by one where somebody sits at the keyboard."""
    if not interactive:
        for line in sys.stdin:
            yield line.rstrip("\r\n")
        return
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (line editing and history for input())
    while True:
        try:
            yield input("You: ")
        except EOFError:
            print()
            return


def _hangups() -> list[signal.Signals]:
    return [signal.SIGTERM] if sys.platform == "win32" else [signal.SIGTERM, signal.SIGHUP]


def _leave(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise SystemExit(128 + signum)
