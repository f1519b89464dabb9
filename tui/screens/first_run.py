"""The first page of all: what this is, what the person allows, which model answers. All of it can be changed later."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from tui import choices, offers
from tui.door import is_loopback
from tui.errors import TerminalError
from tui.keys import key_map
from tui.link import Link
from tui.messages import Arrived, RequestFailed
from tui.widgets.tick import Tick

if TYPE_CHECKING:
    from tui.client import Client

WHAT = (
    "Attune is an AI you can talk with. It remembers what you tell it, and learns how to be there for you. "
    "It is not a person and not a therapist, and it can be wrong."
)
BEGIN = "Begin"
BOXES = (
    ("adult", "I am 18 or older", False),
    ("memory", "Remember what I tell it", True),
    ("persona", "Learn how I am, to word replies accordingly", True),
    ("training", "Let my conversations train a model", False),
)


class FirstRunScreen(ModalScreen[bool]):
    """Dismissed with True once the choices are stored; with False it comes back at the next start."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(False)", "Later"),
        Binding("pagedown", "turn(1)", "On"),
        Binding("pageup", "turn(-1)", "Back"),
    ]
    AUTO_FOCUS = "#adult"

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def compose(self) -> ComposeResult:
        """One short page."""
        with VerticalScroll(classes="window", can_focus=False) as window:
            window.border_title = "Welcome"
            window.border_subtitle = "Tab moves · Space ticks · PgDn scrolls · Esc asks next time"
            yield Static(WHAT, id="what", markup=False)
            for name, label, value in BOXES:
                yield Tick(label, value, id=name)
            with Horizontal(id="where"):
                yield Static("My country, for crisis lines:", markup=False)
                here = choices.country_here(os.environ)
                yield Input(here, placeholder="e.g. AT", max_length=2, id="country", compact=True)
            yield Static("Which model answers: one moment…", id="answers", markup=False)
            with Horizontal(id="buttons"):
                yield Button(BEGIN, id="begin", variant="primary", compact=True)
                yield Button("Another model…", id="another", compact=True)
            first_key = key_map(self.app).first_key
            later = f"{first_key('settings')} changes this later · {first_key('resources')} shows crisis lines"
            yield Static(later, id="later", markup=False)

    def on_mount(self) -> None:
        """Ask what answers."""
        self.query_one("#country", Input).cursor_blink = self.app.animation_level != "none"
        self._look()

    def action_turn(self, step: int) -> None:
        """Scroll the page, where the terminal is too low for it."""
        window = self.query_one(".window", VerticalScroll)
        window.scroll_relative(y=step * window.size.height, animate=False)

    @work(group="look", exclusive=True)
    async def _look(self) -> None:
        try:
            client = await self._link.ready()
            lines = choices.answers(await client.ready(), url_is_here=is_loopback(client.url))
            lines += await self._found(client)
        except TerminalError as error:
            lines = [f"not known yet: {error.message}"]
        self.post_message(Arrived(" ".join(lines)))

    async def _found(self, client: Client) -> list[str]:
        """What else could answer; nothing where the backend is somebody else's."""
        try:
            return [offers.found(await client.model_offers())]
        except TerminalError:
            self.post_message(Arrived(False))
            return []

    @on(Arrived)
    def tell(self, message: Arrived) -> None:
        """Say which model answers, or leave once the choices are stored."""
        if message.value is True:
            self.dismiss(True)
        elif message.value is None:
            self.query_one("#begin", Button).label = BEGIN
        elif message.value is False:
            self.query_one("#another", Button).display = False
        else:
            self.query_one("#answers", Static).update(f"Which model answers: {message.value}")

    @on(Button.Pressed, "#another")
    @work(group="another", exclusive=True)
    async def another(self, event: Button.Pressed) -> None:
        """Choose which model answers."""
        from tui.screens.models import ModelsScreen

        event.stop()
        if await self.app.push_screen_wait(ModelsScreen(self._link)) is not None:
            self._look()

    @on(Button.Pressed, "#begin")
    def begin(self) -> None:
        """Store the choices."""
        self.query_one("#begin", Button).label = "One moment…"
        self._store(
            {name: self.query_one(f"#{name}", Tick).value for name, _, _ in BOXES},
            self.query_one("#country", Input).value.strip(),
        )

    @on(Input.Submitted)
    def finish(self, event: Input.Submitted) -> None:
        """Enter on the last line begins too."""
        event.stop()
        self.begin()

    @work(group="store", exclusive=True)
    async def _store(self, ticked: dict[str, bool], country: str) -> None:
        # a box left empty is no statement about one's age
        changes = {name: value for name, value in ticked.items() if name != "adult" or value}
        try:
            await (await self._link.client()).change_settings(**changes, **({"country": country} if country else {}))
        except TerminalError as error:
            self.post_message(Arrived(None))
            self.post_message(RequestFailed("Not stored", error))
        else:
            self.post_message(Arrived(True))

    @on(RequestFailed)
    def complain(self, message: RequestFailed) -> None:
        """Say what could not be done."""
        self.notify(str(message.error), title=message.title, severity="error", timeout=10, markup=False)
