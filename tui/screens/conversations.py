"""The list of conversations; choosing one goes on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from tui.errors import TerminalError
from tui.link import Link
from tui.messages import ConversationsListed, RequestFailed
from tui.text import one_line
from tui.widgets.picker import Choice, Picker

if TYPE_CHECKING:
    from assistant import wire


class ConversationsScreen(ModalScreen["wire.Conversation | None"]):
    """A window over the chat; dismissed with the conversation that was chosen, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link
        self._listed: dict[str, wire.Conversation] = {}

    def compose(self) -> ComposeResult:
        """A window with a filter and a list."""
        with Vertical(classes="window") as window:
            window.border_title = "Conversations"
            window.border_subtitle = "Enter opens · Esc goes back"
            yield Picker("Type to find a conversation", "Nothing yet. Your first message begins a conversation.")

    def on_mount(self) -> None:
        """Ask for the list."""
        self._list()

    @work(exclusive=True)
    async def _list(self) -> None:
        try:
            found = await (await self._link.client()).conversations()
        except TerminalError as error:
            self.post_message(RequestFailed("Could not list the conversations", error))
        else:
            self.post_message(ConversationsListed(found))

    @on(ConversationsListed)
    def show(self, message: ConversationsListed) -> None:
        """Show the list, newest first."""
        self._listed = {conversation.id: conversation for conversation in message.conversations}
        self.query_one(Picker).show([_choice(conversation) for conversation in message.conversations])

    @on(RequestFailed)
    def complain(self, message: RequestFailed) -> None:
        """Say why there is no list, and close."""
        self.notify(str(message.error), title=message.title, severity="error", timeout=10, markup=False)
        self.dismiss(None)

    @on(Picker.Picked)
    def choose(self, message: Picker.Picked) -> None:
        """Leave with the chosen conversation."""
        self.dismiss(self._listed[message.id])


def _choice(conversation: wire.Conversation) -> Choice:
    title = one_line(conversation.title, 300) or "untitled"
    when = f"{conversation.updated_at.astimezone():%Y-%m-%d %H:%M}"
    return Choice(conversation.id, Content.assemble((when, "$muted"), "  ", title), f"{title} {when}")
