"""What is shown while a backend that we started finishes what it was told."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.keys import key_map


class FarewellScreen(ModalScreen[None]):
    """Goes away with the app."""

    def compose(self) -> ComposeResult:
        """Two lines."""
        with Vertical(classes="window"):
            yield Static("Finishing what you told me…", id="farewell", markup=False)
            yield Static(
                f"{key_map(self.app).first_key('quit')} leaves at once; it goes on by itself.", id="hurry", markup=False
            )
