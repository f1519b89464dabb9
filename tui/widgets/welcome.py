"""What an empty conversation shows."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Center, Vertical
from textual.content import Content
from textual.widgets import Static

from tui.keys import key_map


class Welcome(Vertical):
    """A greeting and the five things to know."""

    def compose(self) -> ComposeResult:
        """Name, one sentence, and the keys."""
        yield Static("a t t u n e", classes="name", markup=False)
        yield Static("It remembers what you tell it, and learns how to be there for you.", classes="line", markup=False)
        with Center():
            yield Static(self._keys(), classes="keys")

    def _keys(self) -> Content:
        first_key = key_map(self.app).first_key
        rows = (
            (first_key("memories"), "what it remembers, and how to make it forget"),
            (first_key("persona"), "what it believes of you, and your word in it"),
            (first_key("conversations"), "your conversations"),
            (first_key("resources"), "where to turn in a crisis"),
            (first_key("help"), "every key"),
        )
        lines = [Content.assemble((f"{key:>6}", "$primary"), f"   {what}") for key, what in rows]
        return Content("\n").join(lines)
