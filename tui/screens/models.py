"""Which model answers: what was found on this machine, what an API key opens, what could be downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui import offers
from tui.errors import TerminalError
from tui.link import Link
from tui.messages import Arrived, RequestFailed
from tui.screens.confirm import ConfirmScreen

if TYPE_CHECKING:
    from assistant import wire


class ModelsScreen(ModalScreen[str | None]):
    """Dismissed with what came of the choice, or None where the person left it as it was."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link
        self._offers: dict[str, wire.ModelOffer] = {}

    def compose(self) -> ComposeResult:
        """What answers now, the offers, and how far a download is."""
        with Vertical(classes="window") as window:
            window.border_title = "Which model answers"
            window.border_subtitle = "Enter chooses · Esc leaves it"
            yield Static("Looking for models on this machine…", classes="about", markup=False)
            yield OptionList(markup=False)
            yield Static("", id="progress", markup=False)

    def on_mount(self) -> None:
        """Ask what there is."""
        self._look()

    @work(group="look", exclusive=True)
    async def _look(self) -> None:
        try:
            found = await (await self._link.client()).model_offers()
        except TerminalError as error:
            self.post_message(RequestFailed("Nothing to choose from", error))
        else:
            self.post_message(Arrived(found))

    @on(Arrived)
    def show(self, message: Arrived) -> None:
        """Show the offers, or how far a choice is; leave once it is made."""
        value: Any = message.value
        if isinstance(value, str):
            self.query_one("#progress", Static).update(value)
            return
        if isinstance(value, tuple):
            self.dismiss(value[0])
            return
        self._offers = {one.name: one for one in value.data}
        told = "The configuration names the model; change it there." if value.configured else f"Now: {value.answering}"
        self.query_one(".about", Static).update(told)
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options(Option(_line(one, chosen=one.name == value.chosen), id=one.name) for one in value.data)
        options.disabled = value.configured
        options.highlighted = 0
        options.focus()

    @on(OptionList.OptionSelected)
    def pick(self, event: OptionList.OptionSelected) -> None:
        """Choose what was picked, after a word where text leaves the machine or much is downloaded."""
        event.stop()
        if event.option_id in self._offers:
            self._choose(self._offers[event.option_id])

    @work(group="choose", exclusive=True)
    async def _choose(self, offer: wire.ModelOffer) -> None:
        if offer.leaves_machine or offer.download_bytes is not None:
            yes = "Send it there" if offer.leaves_machine else "Download"
            if not await self.app.push_screen_wait(ConfirmScreen(offers.about(offer), yes, "Leave it")):
                return

        def told(text: str) -> None:
            self.post_message(Arrived(text))

        try:
            came = await offers.choose(self._link, offer, told)
        except TerminalError as error:
            self.post_message(Arrived(""))
            self.post_message(RequestFailed("Not chosen", error))
        else:
            self.post_message(Arrived((came,)))

    @on(RequestFailed)
    def complain(self, message: RequestFailed) -> None:
        """Say what could not be done."""
        self.notify(str(message.error), title=message.title, severity="error", timeout=10, markup=False)


def _line(offer: wire.ModelOffer, *, chosen: bool) -> Content:
    mark = "✓ " if chosen else ""
    style = "$warning" if offer.leaves_machine else "$faint"
    return Content.assemble((f"{mark}{offer.name}", "bold"), "\n", (offers.about(offer), style))
