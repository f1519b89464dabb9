"""The conversation as it is seen: blocks in the order of the events, the newest kept in view.

Knows how each event looks; does not know where events come from, nor how much of a long conversation is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.keys import key_map
from tui.text import one_line, variant_of
from tui.widgets.block import Block
from tui.widgets.panel import Panel
from tui.widgets.quiet import Quiet
from tui.widgets.said import Said
from tui.widgets.welcome import Welcome
from tui.widgets.window import NOTES, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assistant import wire
    from tui.widgets.reply import Reply  # imported late, because Markdown is not needed for the first frame


class Conversation(Window):
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
        await self.clear()
        await self.mount(Welcome())
        self.anchor()

    async def open(self, page: wire.MessagePage) -> None:
        """Show the end of a conversation that is gone on with."""
        await self.clear()
        await self.fill(page)
        if not page.data:
            await self.mount(Welcome())

    @property
    def ends_open(self) -> bool:
        """A reply that comes stays."""
        return self.reply is not None

    # ---------------------------------------------------------------- the turn

    async def begin(self, text: str) -> None:
        """Show what the person says and that a reply is coming."""
        from tui.widgets.reply import Reply

        await self.show_end()
        await self.query(Welcome).remove()
        self._said, self.reply = Said(text), Reply()
        await self.mount(self._said, self.reply)
        self.anchor()

    async def begin_edit(self, message_id: str, text: str) -> None:
        """Show other words in place of a message of the person, and that a reply is coming."""
        await self.cut(message_id)
        await self.begin(text)

    async def begin_again(self, message_id: str) -> None:
        """Show that another reply is coming in place of one."""
        from tui.widgets.reply import Reply

        await self.cut(message_id)
        await self.show_end()
        self.reply = Reply()
        await self.mount(self.reply)
        self.anchor()

    async def show(self, event: wire.Event) -> None:
        """Show one event of the turn that was begun."""
        reply = self.reply
        if reply is None:
            return
        if event.type == "message.created":
            if self._said is not None:
                self._said.message = event.message
                self.add(event.message)
        elif event.type == "delta":
            await reply.append(event.text)
        elif event.type == "notice":
            if event.text not in self._noticed:
                self._noticed.add(event.text)
                await self.mount(Quiet(event.text), before=reply)
        elif event.type == "safety":
            if event.resources is not None:
                hint = f"{key_map(self.app).first_key('resources')} brings this back"
                await self.mount(Panel(event.resources, hint), before=reply)
        elif event.type == "context.used":
            reply.tell(_recalled(event.facts))
        elif event.type == "message.completed":
            reply.message = event.message
            self.add(event.message)
            await reply.finish(event.message.text, NOTES[event.message.status])
        elif event.type == "message.retracted":
            await reply.retract(event.replacement)

    async def end(self, note: str = "") -> None:
        """Close the turn; a reply that was not finished keeps what came of it, with the note."""
        if self.reply is not None and note:
            await self.reply.finish(note=note)
        self.reply = self._said = None
        self.feed()

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
            self._said.tell(fate)
        if self.reply is not None:
            await self.reply.close()
            await self.reply.remove()
        self.reply = self._said = None

    # ---------------------------------------------------------------- marking

    @property
    def marked(self) -> Block | None:
        """The message that is marked."""
        return next((block for block in self.blocks if block.has_focus), None)

    def mark(self, step: int) -> bool:
        """Mark the message before (-1) or after (1) the marked one; False where there is none."""
        blocks, marked = self.blocks, self.marked
        at = len(blocks) if marked is None else blocks.index(marked)
        if not 0 <= at + step < len(blocks):
            return False
        blocks[at + step].focus()
        return True

    def chosen(self, role: str) -> Block | None:
        """The marked message if it is of this role, else the newest of this role that has ended; None for none.

        A reply that broke off has no id.
        """
        from tui.widgets.reply import Reply

        kind = Said if role == "user" else Reply
        if isinstance(self.marked, kind):
            return self.marked
        return next(
            (
                block
                for block in reversed(self.blocks)
                if isinstance(block, kind) and (block.message_id or (role == "assistant" and block is not self.reply))
            ),
            None,
        )

    def before(self, block: Block) -> Block | None:
        """The message before one, as far as it is drawn."""
        at = self.blocks.index(block)
        return self.blocks[at - 1] if at else None

    def learn_variants(self, messages: Sequence[wire.Message]) -> None:
        """Take in how many replies or wordings there are of what is drawn without that being known."""
        found = {message.id: message for message in messages if len(message.variants) > 1}
        self._history = [found.get(message.id, message) for message in self._history]
        for block in self.blocks:
            message = found.get(block.message_id)
            if message is not None and block.message is not None and not block.message.variants:
                block.message = message
                block.tell(variant_of(message.id, message.variants))

    async def clear(self) -> None:
        """Forget everything that was said and shown."""
        if self.reply is not None:
            await self.reply.close()
        self.reply = self._said = None
        self._noticed.clear()
        await super().clear()


def _recalled(facts: list[str]) -> str:
    if not facts:
        return ""
    more = f" and {len(facts) - 1} more" if len(facts) > 1 else ""
    return f"recalled: {one_line(facts[0], 60).rstrip('.')}{more}"
