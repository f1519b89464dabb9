"""What the person said, as a block of the conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.widgets import Static

from tui.text import variant_of
from tui.widgets.block import Block

if TYPE_CHECKING:
    from assistant import wire


class Said(Block):
    """One message of the person; shown as written, never as markup."""

    def __init__(self, text: str, message: wire.Message | None = None) -> None:
        super().__init__(text, message)
        self._fate = "" if message is None else variant_of(message.id, message.variants)

    def compose(self) -> ComposeResult:
        """Speaker, words, and a line for what became of them."""
        yield Static("You", classes="speaker", markup=False)
        yield Static(self.text, classes="words", markup=False)
        yield Static(self._fate, classes="fate", markup=False)

    def on_mount(self) -> None:
        """Show the line only where there is something on it."""
        self.set_class(bool(self._fate), "-marked")

    def mark(self, fate: str) -> None:
        """Say quietly what became of the message."""
        self.query_one(".fate", Static).update(fate)
        self.set_class(bool(fate), "-marked")
