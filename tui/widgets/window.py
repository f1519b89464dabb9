"""A window of a long conversation: some of its messages are drawn, more as one scrolls towards them.

Guarantees that what is in view stays where it is while blocks come and go above it. Blocks come and go a few at a
time, one portion for each refresh, before they are looked at, so that ten thousand messages are as quick as ten. Does
not know events or turns.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import work
from textual.containers import VerticalScroll
from textual.scrollbar import ScrollBar
from textual.widget import Widget

from tui.messages import EarlierWanted
from tui.text import variant_of
from tui.widgets.block import Block
from tui.widgets.quiet import Quiet
from tui.widgets.said import Said

if TYPE_CHECKING:
    from textual.geometry import Region, Size
    from textual.layout import DockArrangeResult

    from assistant import wire

FIRST_BLOCKS = 12
"""So many messages of a reopened conversation are drawn at first."""
STEP_BLOCKS = 4
"""So many more for each refresh."""
NEAR = 2
"""Where fewer screens than these are drawn beyond the view, more is drawn."""
FAR = 4
"""What is more screens than these away from the view is let go."""
AHEAD = 60
"""Where so few messages are left above the window, the ones before them are asked for."""

NOTES = {"complete": "", "partial": "stopped", "failed": "broken off", "retracted": "withdrawn"}
RATED = {"up": "rated good", "down": "rated not good"}


class Window(VerticalScroll, can_focus=False):
    """A column of blocks, of which those from `_first` to before `_last` of the history are drawn."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._history: list[wire.Message] = []
        self._first = self._last = 0
        self._cursor: str | None = None
        """Of what stands before the history; None where that is all, or asked for already."""
        self._asked: str | None = None
        """The cursor that was asked for."""
        self._refused = False
        """Whether it could not be had."""
        self._feeding = False
        self._arranged: DockArrangeResult | None = None
        self._places: dict[Widget, Region] = {}
        """Where everything in the column is, as it was arranged last."""

    async def on_mount(self) -> None:
        """Look after the window whenever it moves or grows."""
        self.watch(self, "scroll_y", self.feed, init=False)
        self.watch(self, "virtual_size", self.feed, init=False)

    # ---------------------------------------------------------------- the history

    @property
    def hidden_before(self) -> bool:
        """Whether there are earlier messages that are not drawn."""
        return bool(self._first or self._cursor or self._asked)

    @property
    def hidden_after(self) -> bool:
        """Whether there are newer messages that are not drawn."""
        return self._last < len(self._history)

    @property
    def ends_open(self) -> bool:
        """Whether something grows at the end, which therefore stays."""
        return False

    @property
    def last_id(self) -> str | None:
        """The id of the newest message, drawn or not; None where there is none."""
        return self._history[-1].id if self._history else None

    @property
    def blocks(self) -> list[Block]:
        """The messages that are drawn, oldest first."""
        return [child for child in self.children if isinstance(child, Block)]

    async def fill(self, page: wire.MessagePage) -> None:
        """Take the end of a conversation for the history, and draw the end of it."""
        self._history, self._cursor = list(page.data), page.previous_cursor
        await self._draw_end()

    def add_earlier(self, cursor: str, page: wire.MessagePage | None) -> None:
        """Take in what stands before; None where it could not be had, so that looking back asks again."""
        if cursor != self._asked:
            return
        self._asked, self._cursor, self._refused = None, cursor if page is None else page.previous_cursor, page is None
        if page is not None:
            self._history[:0] = page.data
            self._first += len(page.data)
            self._last += len(page.data)
            self.feed()

    def add(self, message: wire.Message) -> None:
        """Take in a message that is drawn already, at the end."""
        self._history.append(message)
        self._last = len(self._history)

    async def cut(self, message_id: str) -> None:
        """Take away a message and all after it."""
        found = next((block for block in self.blocks if block.message_id == message_id), None)
        if found is not None:
            await self.remove_children(self.children[self.children.index(found) :])
        ids = [message.id for message in self._history]
        if message_id in ids:
            del self._history[ids.index(message_id) :]
            self._first, self._last = min(self._first, len(self._history)), min(self._last, len(self._history))

    async def show_end(self) -> None:
        """Draw the newest messages, where they were let go."""
        if self.hidden_after or (self._history and self._first == self._last):
            await self.remove_children()
            await self._draw_end()

    async def clear(self) -> None:
        """Forget the history and take everything away."""
        self._history, self._first, self._last = [], 0, 0
        self._cursor, self._asked, self._refused = None, None, False
        await self.remove_children()

    async def _draw_end(self) -> None:
        self._last = len(self._history)
        self._first = max(0, self._last - FIRST_BLOCKS)
        edge = [_edge()] if self.hidden_before else []
        await self.mount_all([*edge, *(block_of(message) for message in self._history[self._first :])])
        self.anchor()

    # ---------------------------------------------------------------- moving

    def look_back(self) -> None:
        """Scroll a page towards the beginning."""
        if self.scroll_y > 0:
            self.scroll_page_up(animate=False)
        else:
            self._refused = False
            self.feed()

    def look_ahead(self) -> None:
        """Scroll a page towards the newest message."""
        self.scroll_page_down(animate=False)

    def feed(self) -> None:
        """Draw more where the view nears an edge of what is drawn, and let go of what is far away."""
        if self._cursor is not None and self._first < AHEAD and not self._refused:
            self._asked, self._cursor = self._cursor, None
            self.post_message(EarlierWanted(self._asked))
        if not self._feeding and self._due():
            self._feed()
        if not self.is_anchored and not self.hidden_after and self.scroll_y >= self.max_scroll_y:
            self.anchor()

    @work(group="window", exclusive=True)
    async def _feed(self) -> None:
        self._feeding = True
        try:
            while self._due():
                with self.app.batch_update():
                    await self._move()
                refreshed = asyncio.Event()
                self.call_after_refresh(refreshed.set)
                await refreshed.wait()
        finally:
            self._feeding = False

    @property
    def moving(self) -> bool:
        """Whether blocks come or go."""
        return self._feeding or self._due()

    def _due(self) -> bool:
        """Whether there is something to draw or to let go of."""
        return self.screen.is_current and bool(
            self._near_top() or self._near_end() or self._far(above=True) or self._far(above=False)
        )

    def _near_top(self) -> bool:
        return self._first > 0 and self.scroll_y < NEAR * self.size.height

    def _near_end(self) -> bool:
        below = self.virtual_size.height - self.scroll_y - self.size.height
        return self.hidden_after and below < NEAR * self.size.height

    def _far(self, *, above: bool) -> list[Widget]:
        """What is to be let go of next at one edge: nothing that is marked, and no words that are only here."""
        if not above and self.ends_open:
            return []
        height, found = self.size.height, []
        top = self.scroll_y - FAR * height
        bottom = self.scroll_y + (1 + FAR) * height
        for child in self.children if above else reversed(self.children):
            place = self._places.get(child)
            if child.id == "edge":
                continue
            if place is None or (place.bottom > top if above else place.y < bottom):
                break
            if isinstance(child, Block) and (child.has_focus or not child.message_id):
                break
            found.append(child)
        return found[: 2 * STEP_BLOCKS]

    async def _move(self) -> None:
        """Draw a portion, and let go of one."""
        above, below = self._far(above=True), self._far(above=False)
        earlier, newer = self._near_top(), self._near_end()
        self._first += sum(isinstance(child, Block) for child in above)
        self._last -= sum(isinstance(child, Block) for child in below)
        if self.hidden_after:
            self.anchor(False)
        await self.remove_children([*above, *below])
        edges = list(self.query("#edge"))
        if earlier:
            first = max(0, self._first - STEP_BLOCKS)
            more = [block_of(message) for message in self._history[first : self._first]]
            self._first = first
            await self.mount_all(more, before=len(edges))
        if newer:
            last = self._last + STEP_BLOCKS
            more = [block_of(message) for message in self._history[self._last : last]]
            self._last = min(last, len(self._history))
            await self.mount_all(more)
        if edges and not self.hidden_before:
            await self.remove_children(edges)
        elif self.hidden_before and not edges:
            await self.mount(_edge(), before=0)

    def arrange(self, size: Size, optimal: bool = False) -> DockArrangeResult:
        """Arrange the blocks, and move the view along with the first one in it that was there before."""
        arranged = super().arrange(size, optimal)
        if arranged is self._arranged:
            return arranged
        before, self._arranged = self._places, arranged
        self._places = {placement.widget: placement.region for placement in arranged.placements}
        for widget, place in before.items():
            if place.bottom > self.scroll_y and isinstance(widget, Block) and widget in self._places:
                self._shift(self._places[widget].y - place.y)
                break
        return arranged

    def _shift(self, rows: int) -> None:
        if rows and (self._anchor_released or not self.is_anchored):
            scroll_y = max(0, self.scroll_y + rows)
            self.set_reactive(Widget.scroll_y, scroll_y)
            self.set_reactive(Widget.scroll_target_y, scroll_y)
            self.vertical_scrollbar.set_reactive(ScrollBar.position, scroll_y)


def block_of(message: wire.Message) -> Block:
    """A message of the history as it is drawn."""
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
