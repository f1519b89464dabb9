"""Two small windows: one asks for a line of text, one for a choice among a few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

HINT = "Enter accepts · Esc leaves it"


class AskScreen(ModalScreen[str | None]):
    """Dismissed with the line, or None where the person left it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]

    def __init__(self, question: str, value: str = "", *, hint: str = HINT, about: str = "") -> None:
        super().__init__()
        self._question, self._value, self._hint, self._about = question, value, hint, about

    def compose(self) -> ComposeResult:
        """The question, what there is to know, and a line."""
        with Vertical(classes="window small") as window:
            window.border_title = self._question
            window.border_subtitle = self._hint
            if self._about:
                yield Static(self._about, classes="about", markup=False)
            yield Input(self._value, select_on_focus=False)

    def on_mount(self) -> None:
        """Hold the cursor still where animations are off."""
        self.query_one(Input).cursor_blink = self.app.animation_level != "none"

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Leave with the line."""
        event.stop()
        self.dismiss(event.value)


class ChooseScreen(ModalScreen[str | None]):
    """Dismissed with the id of what was chosen, or None where the person left it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]

    def __init__(self, question: str, choices: Sequence[tuple[str, str]], *, about: str = "") -> None:
        super().__init__()
        self._question, self._choices, self._about = question, choices, about

    def compose(self) -> ComposeResult:
        """The question, what there is to know, and the choices."""
        with Vertical(classes="window small") as window:
            window.border_title = self._question
            window.border_subtitle = HINT
            if self._about:
                yield Static(self._about, classes="about", markup=False)
            yield OptionList(*(Option(label, id=id) for id, label in self._choices), markup=False)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Leave with the choice."""
        event.stop()
        self.dismiss(event.option_id)
