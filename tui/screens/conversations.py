"""The conversations beside the chat: searched in titles and words, opened, renamed, put away, deleted, exported."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui import transcript
from tui.errors import TerminalError
from tui.key_table import Scope
from tui.keys import bindings, key_map
from tui.link import Link
from tui.messages import ConversationsListed, RequestFailed
from tui.screens.ask import AskScreen, ChooseScreen
from tui.screens.confirm import ConfirmScreen
from tui.text import one_line
from tui.widgets.picker import Choice, Picker

if TYPE_CHECKING:
    from assistant import wire
    from tui.client import Client

PAUSE_S = 0.2
"""So long after the last key the backend is asked."""


class ConversationsScreen(ModalScreen["wire.Conversation | None"]):
    """A bar beside the chat; dismissed with the conversation that was chosen, or None."""

    SCOPES: ClassVar[tuple[Scope, ...]] = ("conversations",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("conversations")

    def __init__(self, link: Link, open_one: wire.Conversation | None) -> None:
        super().__init__()
        self._link = link
        self._open_id = open_one.id if open_one is not None else ""
        self._listed: dict[str, wire.Conversation] = {}
        self._archived = False
        self._query = ""

    def compose(self) -> ComposeResult:
        """A filter, a list, and what can be done."""
        with Vertical(classes="window sidebar") as window:
            window.border_title = "Conversations"
            yield Picker("Search titles and words", "Nothing yet. Your first message begins one.", narrow=False)
            yield Static(self._hint(), id="hint", markup=False)

    def _hint(self) -> str:
        keys = {key.action: key.keys for key in key_map(self.app).in_scope("conversations")}
        first = {action: one[0].capitalize() if one else "" for action, one in keys.items()}
        other = "others" if self._archived else "archived"
        return (
            f"Enter open · {first['export']} export · {first['rename']} rename\n"
            f"{first['archive']} {'take back' if self._archived else 'put away'} · {first['delete']} delete"
            f" · {first['archived']} {other}"
        )

    def on_mount(self) -> None:
        """Ask for the list."""
        self._list(0.0)

    @on(Picker.Typed)
    def search(self, message: Picker.Typed) -> None:
        """Ask the backend for what has these words."""
        self._query = message.text.strip()
        self._list(PAUSE_S)

    @work(group="list", exclusive=True)
    async def _list(self, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        query, archived = self._query, self._archived
        try:
            found = await (await self._link.client()).conversations(query=query, archived=archived)
        except TerminalError as error:
            self.post_message(RequestFailed("Could not list the conversations", error))
        else:
            self.post_message(ConversationsListed([one for one in found if one.archived == archived]))

    @on(ConversationsListed)
    def show(self, message: ConversationsListed) -> None:
        """Show the list, newest first."""
        self._listed = {conversation.id: conversation for conversation in message.conversations}
        self.query_one(Picker).show([_choice(one, one.id == self._open_id) for one in message.conversations])
        self.query_one(".window").border_title = "Archived" if self._archived else "Conversations"
        self.query_one("#hint", Static).update(self._hint())

    @on(RequestFailed)
    def complain(self, message: RequestFailed) -> None:
        """Say what could not be done."""
        self.notify(str(message.error), title=message.title, severity="error", timeout=10, markup=False)

    @on(Picker.Picked)
    def choose(self, message: Picker.Picked) -> None:
        """Leave with the chosen conversation."""
        self.dismiss(self._listed[message.id])

    def action_back(self) -> None:
        """Return to the chat."""
        self.dismiss(None)

    # ---------------------------------------------------------------- with the marked one

    @property
    def marked(self) -> wire.Conversation | None:
        """The marked conversation."""
        id = self.query_one(Picker).marked
        return self._listed.get(id) if id is not None else None

    @work(group="change", exclusive=True)
    async def _do(self, title: str, request: Callable[[Client], Awaitable[object]]) -> None:
        try:
            await request(await self._link.client())
        except TerminalError as error:
            self.post_message(RequestFailed(title, error))
        else:
            self._list(0.0)

    @work(group="ask", exclusive=True)
    async def action_rename(self) -> None:
        """Give the marked conversation another title."""
        if (one := self.marked) is not None:
            title = await self.app.push_screen_wait(AskScreen("Title", one.title))
            if title is not None:
                self._do("Not renamed", lambda client: client.change_conversation(one.id, title=title.strip()[:200]))

    def action_archive(self) -> None:
        """Put the marked conversation away, or take it back."""
        if (one := self.marked) is not None:
            self._do("Not put away", lambda client: client.change_conversation(one.id, archived=not one.archived))

    def action_archived(self) -> None:
        """Show what was put away, or the others again."""
        self._archived = not self._archived
        self._list(0.0)

    @work(group="ask", exclusive=True)
    async def action_delete(self) -> None:
        """Delete the marked conversation, after asking."""
        if (one := self.marked) is None:
            return
        question = (
            f"Delete this conversation for good?\n\n  {one_line(one.title, 200) or 'untitled'}\n\n"
            "What was learned from it and from nothing else goes with it."
        )
        if await self.app.push_screen_wait(ConfirmScreen(question, "Delete")):
            self._do("Not deleted", lambda client: client.delete_conversation(one.id))

    @work(group="ask", exclusive=True)
    async def action_export(self) -> None:
        """Write the marked conversation to a file."""
        if (one := self.marked) is None:
            return
        kinds = (("md", "Markdown, to read"), ("json", "JSON, for programs"))
        kind = await self.app.push_screen_wait(ChooseScreen("Export as", kinds))
        if kind is None:
            return
        typed = await self.app.push_screen_wait(AskScreen("File", str(transcript.suggested(one, kind))))
        if not typed:
            return
        try:
            messages = await (await self._link.client()).messages(one.id)
            path = transcript.write(typed, one, messages)
        except TerminalError as error:
            self.post_message(RequestFailed("Not exported", error))
        else:
            self.notify(f"{len(messages)} messages are in {path}", title="Exported", timeout=6, markup=False)


def _choice(conversation: wire.Conversation, is_open: bool) -> Choice:
    title = one_line(conversation.title, 300) or "untitled"
    when = f"{conversation.updated_at.astimezone():%Y-%m-%d %H:%M}"
    content = Content.assemble(("● " if is_open else "", "$primary"), title, "\n", (when, "$muted"))
    return Choice(conversation.id, content, f"{title} {when}")
