"""A box to tick whose mark is seen only where it is ticked, so that it can be told apart without colours."""

from __future__ import annotations

from textual.widgets import Checkbox


class Tick(Checkbox):
    """Textual's always has its mark, in another colour."""

    def __init__(self, label: str, value: bool, *, id: str) -> None:
        super().__init__(label, value, id=id, compact=True)
        self.BUTTON_INNER = "X" if value else " "

    def watch_value(self) -> None:
        """Show the mark, or none."""
        self.BUTTON_INNER = "X" if self.value else " "
        super().watch_value()
