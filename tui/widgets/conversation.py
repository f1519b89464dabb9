"""The conversation as it is seen: blocks in the order of the events, the newest kept in view.

Knows how each event looks; does not know where events come from. Of a long conversation only a window is drawn; looking
beyond its edge moves it, and what the window nears is asked for in good time (`EarlierWanted`), so that ten thousand
messages are as quick as ten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work
from textual.containers import VerticalScroll

from tui.keys import key_map
from tui.messages import EarlierWanted
from tui.text import one_line, variant_of
from tui.widgets.block import Block
from tui.widgets.panel import Panel
from tui.widgets.quiet import Quiet
from tui.widgets.said import Said
from tui.widgets.welcome import Welcome

if TYPE_CHECKING:
    from assistant import wire
    from tui.widgets.reply import Reply  # imported late, because Markdown is not needed for the first frame

FIRST_BLOCKS = 40
"""So many messages of a reopened conversation are drawn at first."""
STEP_BLOCKS = 20
"""So many more when somebody looks beyond the edge."""
MOST_BLOCKS = 80
"""So many are drawn at most."""
AHEAD = 3 * STEP_BLOCKS
"""Where so few messages are left above the window, the ones before them are asked for."""

NOTES = {"complete": "", "partial": "stopped", "failed": "broken off", "retracted": "withdrawn"}
RATED = {"up": "rated good", "down": "rated not good"}


class Conversation(VerticalScroll, can_focus=False):
    """A column of blocks; at most one reply is open at a time."""

    def __init__(self) -> None:
        super().__init__(id="conversation")
        self.reply: Reply | None = None
        self._said: Said | None = None
        self._noticed: set[str] = set()
        self._history: list[wire.Message] = []
        self._first = 0
        """Index in the history of the first message that is drawn."""
        self._cursor: str | None = None
        """Of what stands before the history; None where that is all, or asked for already."""
        self._asked: str | None = None
        """The cursor that was asked for."""
        self._looking = False
        """Whether somebody waits at the edge for what was asked for."""

    async def on_mount(self) -> None:
        """Begin with the greeting and follow the newest block."""
        await self.reset()

    async def reset(self) -> None:
        """Return to the greeting."""
        await self._clear()
        await self.mount(Welcome())
        self.anchor()

    async def open(self, page: wire.MessagePage) -> None:
        """Show the end of a conversation that is gone on with."""
        await self._clear()
        self._history, self._cursor = list(page.data), page.previous_cursor
        await self._draw(max(0, len(page.data) - FIRST_BLOCKS))
        if not page.data:
            await self.mount(Welcome())
        self.anchor()
        self._look_ahead()

    # ---------------------------------------------------------------- the window

    @property
    def hidden_before(self) -> bool:
        """Whether there are earlier messages that are not drawn."""
        return bool(self._first or self._cursor or self._asked)

    def add_earlier(self, cursor: str, page: wire.MessagePage | None) -> None:
        """Take in what stands before; None where it could not be had, so that looking back asks again."""
        if cursor != self._asked:
            return
        self._asked, self._cursor = None, cursor if page is None else page.previous_cursor
        if page is not None:
            self._history[:0] = page.data
            self._first += len(page.data)
            if self._looking and self._first:
                self.earlier()
            else:
                self._look_ahead()
        self._looking = False

    def _look_ahead(self) -> None:
        """Ask for what stands before the history once the window is near its beginning."""
        if self._cursor is not None and self._first < AHEAD:
            self._asked, self._cursor = self._cursor, None
            self.post_message(EarlierWanted(self._asked))

    async def _draw(self, first: int) -> None:
        """Draw the messages from number `first` on, at most as many as the window holds."""
        self._first = first
        edge = [_edge()] if self.hidden_before else []
        await self.mount_all([*edge, *(_block(message) for message in self._history[first:][:MOST_BLOCKS])])

    @work(group="window", exclusive=True)
    async def earlier(self) -> None:
        """Draw some earlier messages above those that are drawn, and let go of the newest beyond the window."""
        if not self._first:
            self._looking = self.hidden_before
            self._look_ahead()
            return
        blocks, first = list(self.blocks), max(0, self._first - STEP_BLOCKS)
        more = [_block(message) for message in self._history[first : self._first]]
        height, self._first = self.virtual_size.height, first
        await self.query("#edge").remove()
        with self.app.batch_update():
            await self.mount_all([*([_edge()] if self.hidden_before else []), *more], before=0)
            if self.reply is None and len(blocks) + len(more) > MOST_BLOCKS:
                height -= sum(block.outer_size.height for block in blocks[MOST_BLOCKS - len(more) :])
                await self.remove_children(blocks[MOST_BLOCKS - len(more) :])
        self.call_after_refresh(lambda: self.scroll_relative(y=self.virtual_size.height - height, animate=False))
        self._look_ahead()

    @work(group="window", exclusive=True)
    async def newest(self) -> None:
        """Draw the newest messages again, where they were let go."""
        await self._show_end()
        self.anchor()

    @property
    def last_id(self) -> str | None:
        """The id of the newest message, drawn or not; None where there is none."""
        return self._history[-1].id if self._history else None

    async def _show_end(self) -> None:
        drawn = {block.message_id for block in self.blocks}
        if self.reply is None and self._history and self._history[-1].id not in drawn:
            await self.remove_children()
            await self._draw(max(0, len(self._history) - FIRST_BLOCKS))

    async def _trim(self) -> None:
        """Let go of the oldest blocks of a conversation that grew beyond the window."""
        blocks = [block for block in self.blocks if block.message_id]
        spare = len(blocks) - MOST_BLOCKS
        if spare < STEP_BLOCKS:
            return
        keep = blocks[spare]
        gone = list(self.children)[: self.children.index(keep)]
        ids = [message.id for message in self._history]
        if keep.message_id in ids:
            self._first = ids.index(keep.message_id)
            await self.remove_children(gone)
            await self.mount(_edge(), before=0)

    # ---------------------------------------------------------------- the turn

    async def begin(self, text: str) -> None:
        """Show what the person says and that a reply is coming."""
        from tui.widgets.reply import Reply

        await self._show_end()
        await self.query(Welcome).remove()
        self._said, self.reply = Said(text), Reply()
        await self.mount(self._said, self.reply)
        self.anchor()

    async def begin_edit(self, message_id: str, text: str) -> None:
        """Show other words in place of a message of the person, and that a reply is coming."""
        await self._cut(message_id)
        await self.begin(text)

    async def begin_again(self, message_id: str) -> None:
        """Show that another reply is coming in place of one."""
        from tui.widgets.reply import Reply

        await self._cut(message_id)
        await self._show_end()
        self.reply = Reply()
        await self.mount(self.reply)
        self.anchor()

    async def _cut(self, message_id: str) -> None:
        """Take away a message and all after it."""
        children = list(self.children)
        found = next((block for block in self.blocks if block.message_id == message_id), None)
        if found is not None:
            await self.remove_children(children[children.index(found) :])
        ids = [message.id for message in self._history]
        if message_id in ids:
            del self._history[ids.index(message_id) :]

    async def show(self, event: wire.Event) -> None:
        """Show one event of the turn that was begun."""
        reply = self.reply
        if reply is None:
            return
        if event.type == "message.created":
            if self._said is not None:
                self._said.message = event.message
                self._history.append(event.message)
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
            reply.note(_recalled(event.facts))
        elif event.type == "message.completed":
            reply.message = event.message
            self._history.append(event.message)
            await reply.finish(event.message.text, NOTES[event.message.status])
        elif event.type == "message.retracted":
            await reply.retract(event.replacement)

    async def end(self, note: str = "") -> None:
        """Close the turn; a reply that was not finished keeps what came of it, with the note."""
        if self.reply is not None and note:
            await self.reply.finish(note=note)
        self.reply = self._said = None
        await self._trim()

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

    # ---------------------------------------------------------------- marking

    @property
    def blocks(self) -> list[Block]:
        """The messages that are drawn, oldest first."""
        return [child for child in self.children if isinstance(child, Block)]

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
        """The marked message if it is of this role, else the newest of this role; None where there is none."""
        from tui.widgets.reply import Reply

        kind = Said if role == "user" else Reply
        if isinstance(self.marked, kind):
            return self.marked
        return next((block for block in reversed(self.blocks) if isinstance(block, kind) and block.message_id), None)

    async def _clear(self) -> None:
        if self.reply is not None:
            await self.reply.close()
        self.reply = self._said = None
        self._history, self._first = [], 0
        self._cursor, self._asked, self._looking = None, None, False
        self._noticed.clear()
        await self.remove_children()


def _block(message: wire.Message) -> Block:
    from tui.widgets.reply import Reply

    if message.role == "user":
        return Said(message.text, message)
    rated = RATED[message.feedback.rating] if message.feedback is not None else ""
    ended = NOTES[message.status] or ("" if message.text else "no answer")
    notes = (ended, variant_of(message.id, message.variants), rated)
    return Reply(message.text, " · ".join(note for note in notes if note), message)


def _edge() -> Quiet:
    edge = Quiet("There are earlier messages; look back to see them.")
    edge.id = "edge"
    return edge


def _recalled(facts: list[str]) -> str:
    if not facts:
        return ""
    more = f" and {len(facts) - 1} more" if len(facts) > 1 else ""
    return f"recalled: {one_line(facts[0], 60).rstrip('.')}{more}"
