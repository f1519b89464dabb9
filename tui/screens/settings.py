"""What the person allows and prefers, and which model answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from tui import carrying, choices
from tui.door import is_loopback
from tui.errors import TerminalError
from tui.key_table import Scope
from tui.keys import bindings
from tui.messages import RequestFailed
from tui.screens.ask import AskScreen, ChooseScreen
from tui.screens.page import Page

if TYPE_CHECKING:
    from assistant import wire
    from tui.client import Client

CHANGES = "Enter changes the marked one."


class SettingsScreen(Page[None]):
    """A page with every setting; Enter changes the marked one."""

    SCOPES: ClassVar[tuple[Scope, ...]] = ("settings",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("settings")
    COMPLAINT = "The setting stays as it was"
    view: wire.SettingsView | None = None

    def compose(self) -> ComposeResult:
        """Heading, the settings, footer."""
        yield Static("Settings", id="heading", markup=False)
        yield Static("One moment…", id="count", markup=False)
        yield OptionList(markup=False)
        yield Static("", id="answers", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    async def fetch(self, client: Client) -> object:
        """Ask for the settings and for what answers."""
        return await client.settings(), await client.ready(), client.url

    async def show(self, value: Any) -> None:
        """Show the settings, the mark where it was."""
        self.view, health, url = value
        options = self.query_one(OptionList)
        marked = options.highlighted or 0
        options.clear_options()
        for number, one in enumerate(choices.SETTINGS):
            if number:
                options.add_option(None)
            options.add_option(Option(_line(one, choices.value_of(self.view, one)), id=one.name))
        options.highlighted = marked
        options.focus()
        self.query_one("#count", Static).update(CHANGES)
        lines = choices.answers(health, url_is_here=is_loopback(url))
        self.query_one("#answers", Static).update("\n".join(["Which model answers", *lines]))

    @on(OptionList.OptionSelected)
    def pick(self, event: OptionList.OptionSelected) -> None:
        """Change what was picked."""
        event.stop()
        if event.option_id is not None and self.view is not None:
            self._change(choices.setting(event.option_id), getattr(self.view, event.option_id))

    @work(group="change", exclusive=True)
    async def _change(self, one: choices.Setting, now: Any) -> None:
        if one.kind == "switch":
            self._tell(one, not now)
            return
        if one.kind == "answer":
            asked = ChooseScreen(one.label, (("yes", "Yes"), ("no", "No"), ("-", "Not said")), about=one.about)
            typed = await self.app.push_screen_wait(asked)
        else:
            typed = await self.app.push_screen_wait(AskScreen(one.label, str(now or ""), about=one.about))
        if typed is None:
            return
        try:
            self._tell(one, choices.read(one, typed))
        except TerminalError as error:
            self.post_message(RequestFailed(self.COMPLAINT, error))

    @work(group="carry", exclusive=True)
    async def action_models(self) -> None:
        """Choose which model answers."""
        from tui.screens.models import ModelsScreen

        came = await self.app.push_screen_wait(ModelsScreen(self.link))
        if came is not None:
            self.notify(came, title="Which model answers", markup=False)
            self.action_reload()

    @work(group="carry", exclusive=True)
    async def action_export(self) -> None:
        """Write an archive of everything held about the person."""
        asked = AskScreen(
            "Take everything out, into", "attune-export.zip", about="One zip: JSON, and Markdown to read."
        )
        name = await self.app.push_screen_wait(asked)
        if not name:
            return
        try:
            path = await carrying.take_out(await self.link.client(), name, self._progress)
        except TerminalError as error:
            self._progress(CHANGES)
            self.post_message(RequestFailed("Not taken out", error))
        else:
            self._progress(f"Everything held about you is in {path}")

    @work(group="carry", exclusive=True)
    async def action_bring(self) -> None:
        """Bring a history in."""
        format = await self.app.push_screen_wait(ChooseScreen("Import", carrying.FORMATS))
        name = format and await self.app.push_screen_wait(
            AskScreen("File", about="Where it lies, such as ~/Downloads/conversations.json")
        )
        if not format or not name:
            return
        self._progress("reading…")
        try:
            lines = await carrying.bring_in(await self.link.client(), name, format, self._progress)
        except TerminalError as error:
            self._progress(CHANGES)
            self.post_message(RequestFailed("Not imported", error))
        else:
            self._progress("; ".join(lines))

    def _progress(self, text: str) -> None:
        self.query_one("#count", Static).update(text)

    def _tell(self, one: choices.Setting, value: Any) -> None:
        async def change(client: Client) -> object:
            await client.change_settings(**{one.name: value})
            return await self.fetch(client)

        self.ask(change)


def _line(one: choices.Setting, value: str) -> Content:
    styles = {"on": "$success", "yes": "$success", "off": "$muted", "not said": "$muted"}
    return Content.assemble(
        (f"{one.label:<20}", "bold"), (value, styles.get(value, "$primary")), "\n", (one.about, "$faint")
    )
