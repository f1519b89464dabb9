"""The conversation that is open: begun, loaded, read back page by page, and left with its draft kept.

Also says where the link to the backend stands. The turns in it are `tui.screens.talk`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Footer

from tui.errors import TerminalError
from tui.link import Link, LinkState
from tui.messages import ConversationLoaded, EarlierArrived, EarlierWanted, LinkChanged, RequestFailed
from tui.text import one_line
from tui.widgets.conversation import Conversation
from tui.widgets.prompt import Prompt
from tui.widgets.status import StatusBar

if TYPE_CHECKING:
    from assistant import wire


class OpenScreen(Screen[None]):
    """Conversation above, prompt below."""

    AUTO_FOCUS = "#prompt"

    def __init__(self, link: Link, *, enter_sends: bool) -> None:
        super().__init__()
        self.link = link
        self._enter_sends = enter_sends
        self.open_one: wire.Conversation | None = None
        """The conversation that is shown; None before the first message of a new one."""
        self.before: wire.Conversation | None = None
        """The conversation that was open before this one."""
        self.on_branch = False
        """Whether another branch than the newest is shown, so that the next message has to say where it belongs."""
        self.incognito = False
        """Whether the conversation that is open, or begins with the next message, leaves nothing behind."""
        self.drafts: dict[str, str] = {}
        """What was written and not sent, by `place`."""

    def compose(self) -> ComposeResult:
        """Status, conversation, prompt, footer."""
        yield StatusBar()
        yield Conversation()
        with Horizontal(id="composer"):
            yield Prompt(enter_sends=self._enter_sends)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Begin to reach the backend while the person reads or writes, once the first frame is drawn."""
        if self.place in self.drafts:
            self._take_up_draft()
        self.call_after_refresh(self.warm_up)

    @property
    def prompt(self) -> Prompt:
        """Where the person writes."""
        return self.query_one(Prompt)

    @property
    def conversation(self) -> Conversation:
        """What is shown of the conversation."""
        return self.query_one(Conversation)

    @property
    def place(self) -> str:
        """The id of the conversation that is open; empty before the first message of a new one."""
        return self.open_one.id if self.open_one is not None else ""

    # ---------------------------------------------------------------- opening

    async def begin_new(self, *, incognito: bool = False) -> None:
        """Begin a new conversation; the draft of the one that is left waits there."""
        await self.leave()
        self.open_one, self.incognito = None, incognito
        await self.conversation.reset()
        self.show_title("")
        self._take_up_draft()

    @work(group="load", exclusive=True)
    async def load(self, conversation: wire.Conversation, leaf: str | None = None) -> None:
        """Ask for the end of a conversation and open it, along the branch through `leaf`."""
        try:
            page = await (await self.link.client()).newest_messages(conversation.id, leaf=leaf)
        except TerminalError as error:
            self.post_message(RequestFailed("Could not open the conversation", error))
        else:
            self.post_message(ConversationLoaded(conversation, page, on_branch=leaf is not None))

    @on(ConversationLoaded)
    async def open_conversation(self, message: ConversationLoaded) -> None:
        """Show the conversation and go on in it."""
        if self.place != message.conversation.id:
            await self.leave()
            self.open_one, self.incognito = message.conversation, message.conversation.incognito
            self._take_up_draft()
        self.open_one, self.on_branch = message.conversation, message.on_branch
        await self.conversation.open(message.page)
        self.show_title(message.conversation.title)
        self.refresh_bindings()

    @on(EarlierWanted)
    def look_back(self, message: EarlierWanted) -> None:
        """Ask for what stands before."""
        if self.open_one is not None:
            self._load_earlier(self.open_one.id, message.cursor)

    @work(group="load", exclusive=True)
    async def _load_earlier(self, conversation_id: str, cursor: str) -> None:
        try:
            page = await (await self.link.client()).newest_messages(conversation_id, before=cursor)
        except TerminalError as error:
            self.post_message(EarlierArrived(cursor, None))
            self.post_message(RequestFailed("Earlier messages could not be had; look back again", error))
        else:
            self.post_message(EarlierArrived(cursor, page))

    @on(EarlierArrived)
    def add_earlier(self, message: EarlierArrived) -> None:
        """Let the conversation have them, if it is still the one that asked."""
        self.conversation.add_earlier(message.cursor, message.page)

    def show_title(self, title: str) -> None:
        """Say at the top which conversation this is."""
        marks = "incognito" if self.incognito else ""
        self.query_one(StatusBar).show_title(" · ".join(part for part in (marks, title) if part))

    def head(self) -> None:
        """Say above the prompt what is special about what is written there."""
        self.prompt.head("")

    def _take_up_draft(self) -> None:
        self.prompt.hold(self.drafts.pop(self.place, ""))
        self.head()
        self.prompt.focus()

    # ---------------------------------------------------------------- leaving

    async def leave(self) -> None:
        """Leave the conversation; an incognito one is deleted, of another it is known that it was the one before."""
        self.on_branch = False
        if self.open_one is not None:
            if self.open_one.incognito:
                self._close(self.open_one.id)
            else:
                self.before = self.open_one
        self.refresh_bindings()

    @work(group="close")
    async def _close(self, conversation_id: str) -> None:
        try:
            await (await self.link.client()).delete_conversation(conversation_id)
        except TerminalError as error:
            self.post_message(RequestFailed("The incognito conversation is deleted at the backend's next start", error))

    async def close_incognito(self) -> None:
        """On the way out: delete an incognito conversation that is still open, as far as the backend answers."""
        if self.open_one is not None and self.open_one.incognito:
            await self._close(self.open_one.id).wait()

    # ---------------------------------------------------------------- the link and errors

    @work(group="warm-up", exclusive=True)
    async def warm_up(self) -> None:
        """Reach the backend, and say where that fails."""
        try:
            await self.link.ready()
        except TerminalError as error:
            self.post_message(RequestFailed("Not connected", error))

    @on(LinkChanged)
    def link_changed(self, message: LinkChanged) -> None:
        """Show where the link stands, and what a waiting reply waits for."""
        self._show_link(message.state)

    def _show_link(self, state: LinkState) -> None:
        self.query_one(StatusBar).show_state(state)
        reply = self.conversation.reply
        if reply is not None and not reply.text:
            reply.wait_for(one_line(state.text, 60) if state.kind == "starting" else "")

    @on(RequestFailed)
    def request_failed(self, message: RequestFailed) -> None:
        """Show what could not be done."""
        self.complain(message.title, message.error)

    def complain(self, title: str, error: Exception) -> None:
        """Show an error with its repair."""
        self.notify(str(error), title=title, severity="error", timeout=10, markup=False)
