"""Where to turn in a crisis, as a bordered panel: in the conversation, and in the F9 window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from tui.card import entries

if TYPE_CHECKING:
    from assistant import wire


class Panel(Vertical):
    """One resource card."""

    def __init__(self, card: wire.ResourceCard, hint: str = "") -> None:
        super().__init__(classes="block")
        self._card = card
        self.border_title = "Where to turn"
        self.border_subtitle = hint

    def compose(self) -> ComposeResult:
        """The message, then a row for each line."""
        yield Static(self._card.message, classes="message", markup=False)
        for entry in entries(self._card):
            with Horizontal(classes="entry"):
                yield Static(entry.name, classes="name", markup=False)
                with Vertical(classes="ways"):
                    yield Static("\n".join(entry.ways), classes="reach", markup=False)
                    if entry.about:
                        yield Static(entry.about, classes="about", markup=False)
