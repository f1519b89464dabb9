"""The conversation as it is seen: blocks in the order of the events, the newest kept in view.

Knows how each event looks; does not know where events come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import VerticalScroll

from tui.keys import first_key
from tui.text import one_line
from tui.widgets.panel import Panel
from tui.widgets.quiet import Quiet
from tui.widgets.said import Said
from tui.widgets.welcome import Welcome

if TYPE_CHECKING:
    from assistant import wire
    from tui.widgets.reply import Reply  # imported late, because Markdown is not needed for the first frame

MOST_BLOCKS = 80
"""So many messages of a reopened conversation are shown; drawing thousands would take seconds."""

NOTES = {"complete": "", "partial": "stopped", "failed": "broken off", "retracted": "withdrawn"}


class Conversation(VerticalScroll):
    """A column of blocks; at most one reply is open at a time."""

    def __init__(self) -> None:
        super().__init__(id="conversation")
        self.reply: Reply | None = None
        self._said: Said | None = None
        self._noticed: set[str] = set()

    async def on_mount(self) -> None:
        """Begin with the greeting and follow the newest block."""
        await self.reset()

    async def reset(self) -> None:
        """Return to the greeting."""
        await self._clear()
        await self.mount(Welcome())
        self.anchor()

    async def open(self, messages: list[wire.Message]) -> None:
        """Show the messages of a conversation that is gone on with."""
        await self._clear()
        shown = messages[-MOST_BLOCKS:]
        blocks = [_block(message) for message in shown]
        if len(shown) < len(messages):
            await self.mount(Quiet(f"{len(messages) - len(shown)} earlier messages are kept but not shown here."))
        await self.mount_all(blocks)
        if not messages:
            await self.mount(Welcome())
        self.anchor()

    async def begin(self, text: str) -> None:
        """Show what the person says and that a reply is coming."""
        from tui.widgets.reply import Reply

        await self.query(Welcome).remove()
        self._said, self.reply = Said(text), Reply()
        await self.mount(self._said, self.reply)
        self.anchor()

    async def show(self, event: wire.Event) -> None:
        """Show one event of the turn that was begun."""
        reply = self.reply
        if reply is None:
            return
        if event.type == "delta":
            await reply.append(event.text)
        elif event.type == "notice":
            if event.text not in self._noticed:
                self._noticed.add(event.text)
                await self.mount(Quiet(event.text), before=reply)
        elif event.type == "safety":
            if event.resources is not None:
                await self.mount(Panel(event.resources, f"{first_key('resources')} brings this back"), before=reply)
        elif event.type == "context.used":
            reply.note(_recalled(event.facts))
        elif event.type == "message.completed":
            await reply.finish(event.message.text, NOTES[event.message.status])
        elif event.type == "message.retracted":
            await reply.retract(event.replacement)

    async def end(self, note: str = "") -> None:
        """Close the turn; a reply that was not finished keeps what came of it, with the note."""
        if self.reply is not None and note:
            await self.reply.finish(note=note)
        self.reply = self._said = None

    async def withdraw(self) -> None:
        """Take the turn back, because its text goes back to the prompt."""
        if self.reply is not None:
            await self.reply.close()
            await self.reply.remove()
        if self._said is not None:
            await self._said.remove()
        self.reply = self._said = None
        if not self.children:
            await self.reset()

    async def fail(self, fate: str) -> None:
        """Keep the message without an answer, marked with what became of it."""
        if self._said is not None:
            self._said.mark(fate)
        if self.reply is not None:
            await self.reply.close()
            await self.reply.remove()
        self.reply = self._said = None

    async def _clear(self) -> None:
        if self.reply is not None:
            await self.reply.close()
        self.reply = self._said = None
        self._noticed.clear()
        await self.remove_children()


def _block(message: wire.Message) -> Said | Reply:
    from tui.widgets.reply import Reply

    if message.role == "user":
        return Said(message.text)
    return Reply(message.text, NOTES[message.status] or _empty(message))


def _empty(message: wire.Message) -> str:
    return "" if message.text else "no answer"


def _recalled(facts: list[str]) -> str:
    if not facts:
        return ""
    more = f" and {len(facts) - 1} more" if len(facts) > 1 else ""
    return f"recalled: {one_line(facts[0], 60).rstrip('.')}{more}"
