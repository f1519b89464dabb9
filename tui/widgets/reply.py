"""One reply of Attune: waits, streams, and ends complete, stopped, broken off or withdrawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from textual.app import ComposeResult
from textual.widgets import Markdown, Static
from textual.widgets.markdown import MarkdownStream

from tui.widgets.block import Block

if TYPE_CHECKING:
    from assistant import wire

FRAMES = ("●∙∙", "∙●∙", "∙∙●", "∙●∙")
FRAME_S = 0.3


def parser() -> MarkdownIt:
    """Markdown without HTML, so that `<tags>` in a reply are shown and not swallowed."""
    return MarkdownIt("gfm-like", {"html": False})


class Reply(Block):
    """Text grows by `append`; `finish` renders it whole once more, because streamed Markdown can lose text."""

    def __init__(self, text: str = "", note: str = "", message: wire.Message | None = None) -> None:
        super().__init__(text, message)
        self.noted = note
        self._waiting = ""
        self._frame = 0
        self._stream: MarkdownStream | None = None

    def compose(self) -> ComposeResult:
        """Speaker, what is waited for, the text, and a line for how it ended."""
        yield Static("Attune", classes="speaker", markup=False)
        if not self.text:
            yield Static(FRAMES[0], classes="waiting", markup=False)
        yield Markdown(self.text, parser_factory=parser, open_links=False)
        yield Static(self.noted, classes="note", markup=False)

    def on_mount(self) -> None:
        """Show that something is coming, if it is."""
        self.set_class(not self.text and not self.noted, "-waiting")
        self.set_class(bool(self.noted), "-noted")
        if self.app.animation_level != "none" and self.has_class("-waiting"):
            self.set_interval(FRAME_S, self._turn_frame)

    def on_markdown_link_clicked(self, event: Markdown.LinkClicked) -> None:
        """Open web addresses only; a reply is not to be trusted with more."""
        event.stop()
        if event.href.startswith(("https://", "http://")):
            self.app.open_url(event.href)

    def wait_for(self, what: str) -> None:
        """Say what the reply waits for."""
        self._waiting = what
        self._show_waiting()

    async def append(self, text: str) -> None:
        """Add the next piece."""
        if not text:
            return
        self.remove_class("-waiting")
        if self._stream is None:
            self._stream = Markdown.get_stream(self.query_one(Markdown))
        self.text += text
        await self._stream.write(text)

    async def finish(self, text: str | None = None, note: str = "") -> None:
        """End the reply with its whole text, as far as it came where None, and say how it ended."""
        await self.close()
        self.remove_class("-waiting")
        self.text = self.text if text is None else text
        await self.query_one(Markdown).update(self.text)
        self.note(note)

    async def retract(self, replacement: str) -> None:
        """Show the replacement in place of what was said."""
        self.add_class("-retracted")
        await self.finish(replacement, "The first answer was withdrawn.")

    def note(self, note: str) -> None:
        """Say quietly how the reply ended or what it is made from; adds to what is said already."""
        self.noted = " · ".join(part for part in (self.noted, note) if part)
        self.query_one(".note", Static).update(self.noted)
        self.set_class(bool(self.noted), "-noted")

    async def close(self) -> None:
        """End the stream of pieces; call before the reply is removed."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            await stream.stop()

    def _turn_frame(self) -> None:
        if self.has_class("-waiting"):
            self._frame += 1
            self._show_waiting()

    def _show_waiting(self) -> None:
        frame = FRAMES[self._frame % len(FRAMES)]
        self.query_one(".waiting", Static).update(f"{frame}  {self._waiting}".rstrip())
