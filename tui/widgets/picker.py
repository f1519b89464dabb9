"""A list with a filter above it: typing narrows the list, the arrows move in it."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

MOVES = {"up": "cursor_up", "down": "cursor_down", "pageup": "page_up", "pagedown": "page_down"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry."""

    id: str
    content: Content
    words: str
    """What the filter looks in."""


class Picker(Vertical):
    """Shows choices; posts `Picked` on Enter or a click."""

    class Picked(Message):
        """A choice was made."""

        def __init__(self, id: str) -> None:
            super().__init__()
            self.id = id

    class Typed(Message):
        """What is looked for changed; only where the picker does not narrow the list itself."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, placeholder: str, empty: str, *, ruled: bool = False, narrow: bool = True) -> None:
        super().__init__()
        self._narrow = narrow
        self._ruled = ruled
        self._placeholder = placeholder
        self._empty = empty
        self._choices: list[Choice] = []
        self._loaded = False
        self._looked_for = ""

    def compose(self) -> ComposeResult:
        """Filter, list, and what is said where nothing is in it."""
        yield Input(placeholder=self._placeholder)
        yield OptionList(markup=False)
        yield Static("One moment…", classes="empty", markup=False)

    def on_mount(self) -> None:
        """The filter has the keyboard; the list follows it."""
        self.query_one(Input).cursor_blink = self.app.animation_level != "none"
        self.query_one(Input).focus()
        self._fill()

    def show(self, choices: list[Choice]) -> None:
        """Show these choices, the mark where it was, or on what came into its place."""
        self._choices, self._loaded = choices, True
        self._fill()

    @property
    def marked(self) -> str | None:
        """The id of the marked choice."""
        options = self.query_one(OptionList)
        return None if options.highlighted is None else options.get_option_at_index(options.highlighted).id

    def on_input_changed(self) -> None:
        """Narrow the list, or let others narrow it."""
        if self._narrow:
            self._fill()
        else:
            self.post_message(self.Typed(self.query_one(Input).value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Choose what is marked."""
        event.stop()
        if self.marked is not None:
            self.post_message(self.Picked(self.marked))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Choose what was clicked."""
        event.stop()
        if event.option_id is not None:
            self.post_message(self.Picked(event.option_id))

    async def on_key(self, event: events.Key) -> None:
        """Move in the list while the filter has the keyboard."""
        if event.key in MOVES and self.query_one(Input).has_focus:
            event.stop()
            await self.query_one(OptionList).run_action(MOVES[event.key])

    def _fill(self) -> None:
        options, before = self.query_one(OptionList), self.marked
        at = options.highlighted or 0
        typed = self.query_one(Input).value
        at, self._looked_for = at if typed == self._looked_for else 0, typed
        wanted = typed.casefold().split() if self._narrow else []
        found = [c for c in self._choices if all(word in c.words.casefold() for word in wanted)]
        options.clear_options()
        for number, choice in enumerate(found):
            if number and self._ruled:
                options.add_option(None)
            options.add_option(Option(choice.content, id=choice.id))
        ids = [c.id for c in found]
        if found:
            options.highlighted = ids.index(before) if before in ids else min(at, len(ids) - 1)
        nothing = self._empty if not self._choices and not typed.strip() else "Nothing fits what you typed."
        self.query_one(".empty", Static).update(nothing if self._loaded else "One moment…")
        self.set_class(not found, "-empty")
