"""Where to turn in a crisis, at any time; never from memory, always from the backend's directory."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.errors import TerminalError
from tui.link import Link
from tui.messages import RequestFailed, ResourcesArrived
from tui.widgets.panel import Panel


class ResourcesScreen(ModalScreen[None]):
    """A window with the resource card."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss", "Back")]

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def compose(self) -> ComposeResult:
        """The card, once it is here."""
        with VerticalScroll(id="card"):
            yield Static("One moment…", id="moment", markup=False)

    def on_mount(self) -> None:
        """Ask for the card."""
        self._ask()

    @work(exclusive=True)
    async def _ask(self) -> None:
        try:
            card = await (await self._link.client()).resources()
        except TerminalError as error:
            self.post_message(RequestFailed("The list of crisis lines is out of reach", error))
        else:
            self.post_message(ResourcesArrived(card))

    @on(ResourcesArrived)
    async def show(self, message: ResourcesArrived) -> None:
        """Show the card."""
        await self.query_one("#moment").remove()
        await self.query_one("#card").mount(Panel(message.card, "Esc goes back"))

    @on(RequestFailed)
    def complain(self, message: RequestFailed) -> None:
        """Never leave a person in need with an error alone."""
        self.query_one("#moment", Static).update(
            f"{message.title}: {message.error}\n\n"
            "If you are in danger now, call the emergency number of your country, or go to somebody you trust."
        )
