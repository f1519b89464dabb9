"""A quiet line in the conversation: who answers, what was not available."""

from __future__ import annotations

from textual.widgets import Static


class Quiet(Static):
    """One notice; seen once, in nobody's way."""

    def __init__(self, text: str) -> None:
        super().__init__(text, classes="block", markup=False)
