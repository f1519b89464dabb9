"""What the person said, as a block of the conversation."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static


class Said(Vertical):
    """One message of the person; shown as written, never as markup."""

    def __init__(self, text: str) -> None:
        super().__init__(classes="block")
        self.text = text

    def compose(self) -> ComposeResult:
        """Speaker, words, and a line for what became of them."""
        yield Static("You", classes="speaker", markup=False)
        yield Static(self.text, classes="words", markup=False)
        yield Static("", classes="fate", markup=False)

    def mark(self, fate: str) -> None:
        """Say quietly what became of the message."""
        self.query_one(".fate", Static).update(fate)
        self.set_class(bool(fate), "-marked")
