"""Every key, from the key map."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.key_table import SCOPES
from tui.keys import key_map, shown


class HelpScreen(ModalScreen[None]):
    """A window over whatever is open."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,ctrl+g,q", "dismiss", "Back")]

    def compose(self) -> ComposeResult:
        """One block of lines for each place."""
        with Vertical(classes="window") as window:
            window.border_title = "Keys"
            window.border_subtitle = "Esc goes back"
            with VerticalScroll():
                in_force = key_map(self.app)
                palette = f"via {in_force.first_key('command_palette')}"
                for scope, heading in SCOPES.items():
                    yield Static(heading, classes="scope", markup=False)
                    for key in in_force.in_scope(scope):
                        with Horizontal(classes="row"):
                            yield Static(shown(key.keys) or palette, classes="key", markup=False)
                            yield Static(key.help, classes="what", markup=False)
