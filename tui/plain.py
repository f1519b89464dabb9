"""The plain mode: lines in, lines out, append-only; for pipes, scripts, screen readers and simple terminals.

Each line of the input is one message. Replies stream to standard output; everything else is said on lines that begin
with a dash, on standard error where nobody sits at the keyboard.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import uuid
from collections.abc import Iterator
from io import TextIOWrapper
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from tui.backend import STOP_S, Launch
from tui.card import plain_lines
from tui.errors import TerminalError
from tui.link import Link, LinkState
from tui.text import one_line

if TYPE_CHECKING:
    from assistant import wire

HELP = """\
/new          begin a new conversation
/list         list your conversations
/memories     what Attune remembers about you
/forget ID    make it forget one of them
/help         this
/quit         leave; Attune first finishes what you told it
Anything else is a message. Ctrl+C stops a reply."""


class Plain:
    """One person at one line-oriented terminal."""

    def __init__(self, launch: Launch, *, interactive: bool) -> None:
        self._link = Link(launch, self._show_state)
        self._interactive = interactive
        self._conversation_id: str | None = None
        self._stream_id: str | None = None
        self._said: set[str] = set()
        self._failed = False

    def run(self, texts: list[str] | None) -> int:
        """Say these texts, or each line of the input; returns the exit code."""
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="replace")
        for signum in _hangups():
            signal.signal(signum, _leave)
        with asyncio.Runner() as runner:
            try:
                for text in _lines(self._interactive) if texts is None else texts:
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
            runner.run(self._handle(text))
        except TerminalError as error:
            self._failed = True
            print(f"— {error.message}", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            if not self._interactive:
                raise
            print("\n— stopped", flush=True)
            self._cancel(runner)

    def _cancel(self, runner: asyncio.Runner) -> None:
        """Tell the backend too, so that the next message need not wait for it."""
        if self._stream_id is not None:
            with contextlib.suppress(TerminalError, KeyboardInterrupt):
                runner.run(self._stop(self._stream_id))

    async def _stop(self, stream_id: str) -> None:
        await (await self._link.client()).cancel(stream_id)

    async def _handle(self, text: str) -> None:
        command, _, argument = text.strip().partition(" ")
        if command == "/help":
            print(HELP, flush=True)
        elif command == "/new":
            self._conversation_id = None
            self._note("a new conversation")
        elif command == "/list":
            await self._list()
        elif command == "/memories":
            await self._memories()
        elif command == "/forget":
            await self._forget(argument.strip())
        elif text.strip():
            await self._send(text)

    # ---------------------------------------------------------------- messages

    async def _send(self, text: str) -> None:
        client = await self._link.ready()
        if self._conversation_id is None:
            self._conversation_id = (await client.create_conversation()).id
        said = ""
        try:
            async for event in client.send(self._conversation_id, text, uuid.uuid4().hex):
                if event.type == "message.created":
                    self._stream_id = event.stream_id
                elif event.type == "delta":
                    print(event.text if said else f"Attune: {event.text}", end="", flush=True)
                    said += event.text
                elif event.type == "message.completed" and not said:
                    said = event.message.text
                    print(f"Attune: {said}", end="", flush=True)
                elif event.type == "message.retracted":
                    print(
                        f"\n— The answer above is withdrawn. Instead:\nAttune: {event.replacement}", end="", flush=True
                    )
                    said = event.replacement
                else:
                    self._aside(event)
        finally:
            if said:
                print(flush=True)
        self._stream_id = None

    def _aside(self, event: wire.Event) -> None:
        if event.type == "notice" and event.text not in self._said:
            self._said.add(event.text)
            self._note(event.text)
        elif event.type == "safety" and event.resources is not None:
            print("\n".join(f"— {line}" for line in plain_lines(event.resources)), flush=True)

    # ---------------------------------------------------------------- commands

    async def _list(self) -> None:
        for conversation in await (await self._link.client()).conversations():
            print(f"{conversation.updated_at.astimezone():%Y-%m-%d %H:%M}  {one_line(conversation.title, 80)}")
        sys.stdout.flush()

    async def _memories(self) -> None:
        memories = await (await self._link.client()).memories()
        for memory in memories:
            quotes = "  ".join(f"“{one_line(evidence.quote, 80)}”" for evidence in memory.evidence)
            print(f"{memory.id}  {memory.text}  {quotes}".rstrip())
        if not memories:
            self._note("nothing yet")
        sys.stdout.flush()

    async def _forget(self, memory_id: str) -> None:
        if not memory_id:
            raise TerminalError("which one? /memories lists them; then /forget ID")
        gone = await (await self._link.client()).forget(memory_id)
        self._note(f"forgotten, for good: {', '.join(gone.forgotten)}")

    # ---------------------------------------------------------------- asides and the way out

    def _note(self, text: str) -> None:
        print(f"— {text}", file=sys.stdout if self._interactive else sys.stderr, flush=True)

    def _show_state(self, state: LinkState) -> None:
        if state.kind == "starting":
            self._note(state.text)

    def _finish(self, runner: asyncio.Runner) -> None:
        backend = self._link.backend
        if backend is not None and backend.ours:
            backend.ask_to_stop()
            self._note("finishing what you told me…")
            try:
                if not runner.run(backend.stopped()):
                    self._note(f"not finished after {STOP_S:.0f} s; it goes on by itself")
            except KeyboardInterrupt:
                self._note("it goes on by itself")
        runner.run(self._link.close())


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
