"""The chat: one conversation, one prompt, one turn at a time.

The turn runs in a worker that posts the stream's events in their order; this screen shows them. What the person wrote
is never lost: it is in the conversation, in the prompt, or at the backend.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Footer
from textual.worker import Worker

from tui.errors import ClientError, TerminalError
from tui.keys import bindings
from tui.link import Link, LinkState
from tui.messages import ConversationBegun, ConversationLoaded, EventArrived, LinkChanged, RequestFailed, TurnEnded
from tui.text import one_line
from tui.widgets.conversation import Conversation
from tui.widgets.prompt import Prompt
from tui.widgets.status import StatusBar

if TYPE_CHECKING:
    from assistant import wire
    from tui.app import AttuneApp

STOP_GRACE_S = 3.0
"""A stopped reply may take so long to say how far it came; then the connection is closed."""


@dataclass(slots=True)
class Turn:
    """One message on its way and the reply to it."""

    number: int
    text: str
    conversation_id: str | None
    client_message_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    stream_id: str | None = None
    stopping: bool = False
    worker: Worker[None] | None = None


class ChatScreen(Screen[None]):
    """Conversation above, prompt below."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("chat")
    AUTO_FOCUS = "#prompt"

    def __init__(self, link: Link, *, enter_sends: bool, stop_grace_s: float) -> None:
        super().__init__()
        self._link = link
        self._enter_sends = enter_sends
        self._stop_grace_s = stop_grace_s
        self._open: wire.Conversation | None = None
        self._turn: Turn | None = None
        self._unanswered: Turn | None = None
        self._turns = 0

    def compose(self) -> ComposeResult:
        """Status, conversation, prompt, footer."""
        yield StatusBar()
        yield Conversation()
        with Horizontal(id="composer"):
            yield Prompt(enter_sends=self._enter_sends)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Begin to reach the backend while the person reads or writes."""
        self._warm_up()

    @property
    def answering(self) -> bool:
        """Whether a reply is on its way."""
        return self._turn is not None

    # ---------------------------------------------------------------- the turn

    @on(Prompt.Submitted)
    async def begin_turn(self) -> None:
        """Take the text from the prompt and send it; refuse while a reply is on its way."""
        if self._turn is not None:
            self.notify("Attune is still answering. Esc stops the reply.", title="One at a time", timeout=4)
            return
        text = self.query_one(Prompt).take()
        self._turns += 1
        self._turn = Turn(self._turns, text, self._open.id if self._open else None)
        again = self._unanswered
        if again is not None and (again.text, again.conversation_id) == (text, self._turn.conversation_id):
            self._turn.client_message_id = again.client_message_id
        await self.query_one(Conversation).begin(text)
        self.refresh_bindings()
        self._turn.worker = self._converse(self._turn)

    @work(group="turn")
    async def _converse(self, turn: Turn) -> None:
        try:
            client = await self._link.ready()
            if turn.conversation_id is None:
                begun = await client.create_conversation()
                turn.conversation_id = begun.id
                self.post_message(ConversationBegun(turn.number, begun))
            async for event in client.send(turn.conversation_id, turn.text, turn.client_message_id):
                self.post_message(EventArrived(turn.number, event))
        except TerminalError as error:
            self.post_message(TurnEnded(turn.number, error))
        else:
            self.post_message(TurnEnded(turn.number))

    @on(ConversationBegun)
    def keep_conversation(self, message: ConversationBegun) -> None:
        """Go on in the conversation that was made for the first message."""
        if self._turn is not None and self._turn.number == message.turn:
            self._open = message.conversation
            self.query_one(StatusBar).show_title(message.conversation.title or self._turn.text)

    @on(EventArrived)
    async def show_event(self, message: EventArrived) -> None:
        """Show the event, unless its turn was left behind."""
        if self._turn is None or self._turn.number != message.turn:
            return
        if message.event.type == "message.created":
            self._turn.stream_id = message.event.stream_id
        await self.query_one(Conversation).show(message.event)

    @on(TurnEnded)
    async def end_turn(self, message: TurnEnded) -> None:
        """Make room for the next turn; give the text back where no word of a reply came."""
        turn = self._turn
        if turn is None or turn.number != message.turn:
            return
        self._turn = self._unanswered = None
        self.refresh_bindings()
        conversation = self.query_one(Conversation)
        if message.error is None:
            await conversation.end()
            return
        if isinstance(message.error, ClientError) and message.error.code in ("unreachable", "cut", "timeout"):
            self._link.lost(message.error)
            self._warm_up()
        self._complain("No reply" if turn.stream_id else "Not sent", message.error)
        if conversation.reply is not None and conversation.reply.text:
            await conversation.end("broken off")
        else:
            self._unanswered = turn
            if self.query_one(Prompt).give_back(turn.text):
                await conversation.withdraw()
            else:
                await conversation.fail("not answered")

    # ---------------------------------------------------------------- actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer Stop only while there is something to stop."""
        return self.answering if action == "stop" else super().check_action(action, parameters)

    async def action_stop(self) -> None:
        """Ask the backend to stop; it keeps what was said and tells how far it came."""
        turn = self._turn
        if turn is None or turn.stopping:
            return
        turn.stopping = True
        if turn.stream_id is None:
            await self._hang_up(turn)
            return
        self._cancel(turn.stream_id)
        self.set_timer(self._stop_grace_s, lambda: self._hang_up(turn))

    async def _hang_up(self, turn: Turn) -> None:
        """Close the connection of a turn that does not end by itself."""
        if self._turn is not turn:
            return
        if turn.worker is not None:
            turn.worker.cancel()
        self._turn = None
        self.refresh_bindings()
        conversation = self.query_one(Conversation)
        if turn.stream_id is None and self.query_one(Prompt).give_back(turn.text):
            self._unanswered = turn
            await conversation.withdraw()
        else:
            await conversation.end("stopped")

    @work(group="cancel")
    async def _cancel(self, stream_id: str) -> None:
        try:
            await (await self._link.client()).cancel(stream_id)
        except TerminalError as error:
            self.post_message(RequestFailed("Could not stop the reply", error))

    async def _leave_turn(self) -> None:
        """Leave a running turn behind, on the way to another conversation."""
        turn, self._turn = self._turn, None
        if turn is None:
            return
        if turn.stream_id is not None:
            self._cancel(turn.stream_id)
        if turn.worker is not None:
            turn.worker.cancel()
        self.refresh_bindings()

    async def action_new(self) -> None:
        """Begin a new conversation; a draft stays in the prompt."""
        await self._leave_turn()
        self._open = None
        await self.query_one(Conversation).reset()
        self.query_one(StatusBar).show_title("")
        self.query_one(Prompt).focus()

    def action_conversations(self) -> None:
        """Choose a conversation to go on with."""
        from tui.screens.conversations import ConversationsScreen

        self.app.push_screen(ConversationsScreen(self._link), self._reopen)

    def action_memories(self) -> None:
        """Show what is remembered."""
        from tui.screens.memories import MemoriesScreen

        self.app.push_screen(MemoriesScreen(self._link))

    def action_resources(self) -> None:
        """Show where to turn in a crisis."""
        from tui.screens.resources import ResourcesScreen

        self.app.push_screen(ResourcesScreen(self._link))

    def action_swap_enter(self) -> None:
        """Let Enter and Ctrl+J change places."""
        prompt = self.query_one(Prompt)
        prompt.enter_sends = not prompt.enter_sends
        cast("AttuneApp", self.app).keep_preference(enter_sends=prompt.enter_sends)

    def action_look_back(self) -> None:
        """Scroll the conversation back."""
        conversation = self.query_one(Conversation)
        if conversation.max_scroll_y > 0:
            conversation.scroll_page_up(animate=False)

    def action_look_ahead(self) -> None:
        """Scroll the conversation on."""
        self.query_one(Conversation).scroll_page_down(animate=False)

    # ---------------------------------------------------------------- reopening

    def _reopen(self, conversation: wire.Conversation | None) -> None:
        if conversation is not None:
            self._load(conversation)

    @work(group="load", exclusive=True)
    async def _load(self, conversation: wire.Conversation) -> None:
        try:
            messages = await (await self._link.client()).messages(conversation.id)
        except TerminalError as error:
            self.post_message(RequestFailed("Could not open the conversation", error))
        else:
            self.post_message(ConversationLoaded(conversation, messages))

    @on(ConversationLoaded)
    async def open_conversation(self, message: ConversationLoaded) -> None:
        """Show the conversation and go on in it."""
        await self._leave_turn()
        self._open = message.conversation
        await self.query_one(Conversation).open(message.messages)
        self.query_one(StatusBar).show_title(message.conversation.title)
        self.query_one(Prompt).focus()

    # ---------------------------------------------------------------- the link and errors

    @work(group="warm-up", exclusive=True)
    async def _warm_up(self) -> None:
        try:
            await self._link.ready()
        except TerminalError as error:
            self.post_message(RequestFailed("Not connected", error))

    def show_link(self, state: LinkState) -> None:
        """Show where the link stands, and what a waiting reply waits for."""
        self.query_one(StatusBar).show_state(state)
        reply = self.query_one(Conversation).reply
        if reply is not None and not reply.text:
            reply.wait_for(one_line(state.text, 60) if state.kind == "starting" else "")

    @on(LinkChanged)
    def link_changed(self, message: LinkChanged) -> None:
        """Show where the link stands."""
        self.show_link(message.state)

    @on(RequestFailed)
    def request_failed(self, message: RequestFailed) -> None:
        """Show what could not be done."""
        self._complain(message.title, message.error)

    def _complain(self, title: str, error: Exception) -> None:
        self.notify(str(error), title=title, severity="error", timeout=10, markup=False)
