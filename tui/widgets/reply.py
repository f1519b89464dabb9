"""One reply of Attune: waits, streams, and ends complete, stopped, broken off or withdrawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Markdown, Static
from textual.widgets.markdown import MarkdownStream

from tui.widgets.block import Block
from tui.widgets.prose import parser, prose

if TYPE_CHECKING:
    from assistant import wire

FRAMES = ("●∙∙", "∙●∙", "∙∙●", "∙●∙")
FRAME_S = 0.3


class Reply(Block):
    """Text grows by `append`; `finish` draws it whole once more, because streamed Markdown can lose text.

    Has parts only while it comes and where its Markdown needs them; else it is one piece of text.
    """

    def __init__(self, text: str = "", note: str = "", message: wire.Message | None = None) -> None:
        super().__init__(text, message)
        self.noted = note
        self._waiting = ""
        self._frame = 0
        self._turning: Timer | None = None
        self._stream: MarkdownStream | None = None
        self._prose = prose(text) if text or note else None
        self._paint()

    def compose(self) -> ComposeResult:
        """Speaker, what is waited for, the text, and a line for how it ended; nothing where it is one piece of text."""
        if self._prose is None:
            yield Static("Attune", classes="speaker", markup=False)
            yield Static(FRAMES[0], classes="waiting", markup=False)
            yield Markdown(self.text, parser_factory=parser, open_links=False)
            yield Static(self.noted, classes="note", markup=False)

    def on_mount(self) -> None:
        """Show that something is coming, if it is."""
        self.set_class(not self.text and not self.noted, "-waiting")
        self.set_class(bool(self.noted), "-noted")
        if self.app.animation_level != "none" and self.has_class("-waiting"):
            self._turning = self.set_interval(FRAME_S, self._turn_frame)

    def on_markdown_link_clicked(self, event: Markdown.LinkClicked) -> None:
        """Follow a link in Markdown."""
        event.stop()
        self.action_link(event.href)

    def action_link(self, href: str) -> None:
        """Open web addresses only; a reply is not to be trusted with more."""
        if href.startswith(("https://", "http://")):
            self.app.open_url(href)

    def wait_for(self, what: str) -> None:
        """Say what the reply waits for."""
        self._waiting = what
        self._show_waiting()

    async def append(self, text: str) -> None:
        """Add the next piece."""
        if not text:
            return
        self._wait_no_more()
        if self._stream is None:
            self._stream = Markdown.get_stream(self.query_one(Markdown))
        self.text += text
        await self._stream.write(text)

    async def finish(self, text: str | None = None, note: str = "") -> None:
        """End the reply with its whole text, as far as it came where None, and say how it ended."""
        await self.close()
        self._wait_no_more()
        self.text = self.text if text is None else text
        before, self._prose = self._prose, prose(self.text)
        if self._prose is None and before is None:
            await self.query_one(Markdown).update(self.text)
        elif self._prose is None or before is None:
            with self.app.batch_update():
                await self.recompose()
        self.tell(note)

    async def retract(self, replacement: str) -> None:
        """Show the replacement in place of what was said."""
        self.add_class("-retracted")
        await self.finish(replacement, "The first answer was withdrawn.")

    def tell(self, note: str) -> None:
        """Say quietly how the reply ended or what it is made from; adds to what is said already."""
        self.noted = " · ".join(part for part in (self.noted, note) if part)
        self.set_class(bool(self.noted), "-noted")
        self._paint()
        for line in self.query(".note").results(Static):
            line.update(self.noted)

    async def close(self) -> None:
        """End the stream of pieces; call before the reply is removed."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            await stream.stop()

    def _paint(self) -> None:
        if self._prose is None:
            self.update()
            return
        below = [(f"\n{self.noted}", "italic $faint")] if self.noted else []
        body = [Content("\n"), self._prose] if self._prose else []
        self.update(Content.assemble(("Attune", "bold $primary"), *body, *below))

    def _wait_no_more(self) -> None:
        self.remove_class("-waiting")
        if self._turning is not None:
            self._turning.stop()

    def _turn_frame(self) -> None:
        self._frame += 1
        self._show_waiting()

    def _show_waiting(self) -> None:
        if self.has_class("-waiting"):
            frame = FRAMES[self._frame % len(FRAMES)]
            self.query_one(".waiting", Static).update(f"{frame}  {self._waiting}".rstrip())
