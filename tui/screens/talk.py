"""Talking in the conversation that is open: one turn at a time.

The turn runs in a worker that posts the stream's events in their order; this screen shows them. What the person wrote
is never lost: it is in the conversation, in the prompt, waiting for its turn, or at the backend. What else a person can
do from here stands in `tui.screens.chat`.
"""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from textual import on, work
from textual.worker import Worker

from tui.errors import ClientError, TerminalError
from tui.link import Link
from tui.messages import ConversationBegun, EventArrived, RequestFailed, TurnEnded, VariantsCounted
from tui.screens.opened import OpenScreen
from tui.turn import Turn, converse
from tui.widgets.prompt import Prompt

if TYPE_CHECKING:
    from assistant import wire
    from tui.widgets.block import Block

STOP_GRACE_S = 3.0
"""A stopped reply may take so long to say how far it came; then the connection is closed."""
MOST_BYTES = 32 * 1024
"""What the backend takes in one message."""


class TalkScreen(OpenScreen):
    """One turn at a time in the conversation that is open."""

    def __init__(self, link: Link, *, enter_sends: bool, stop_grace_s: float) -> None:
        super().__init__(link, enter_sends=enter_sends)
        self._stop_grace_s = stop_grace_s
        self._editing: Block | None = None
        self._waiting: list[str] = []
        self._turn: Turn | None = None
        self._worker: Worker[None] | None = None
        self._unanswered: Turn | None = None
        self._turns = 0

    @property
    def answering(self) -> bool:
        """Whether a reply is on its way."""
        return self._turn is not None

    # ---------------------------------------------------------------- the turn

    @on(Prompt.Submitted)
    async def submit(self) -> None:
        """Take the text from the prompt and send it, or let it wait while a reply is on its way."""
        size = len(self.prompt.text.encode("utf-8", "replace"))
        if size > MOST_BYTES:
            self.notify(
                f"A message holds at most {MOST_BYTES // 1024} KiB, and this one has {size // 1024:,}. "
                "Send it in parts, or only what matters.",
                title="Too long",
                severity="warning",
            )
            return
        text = self.prompt.take()
        if self._turn is not None:
            self._waiting.append(text)
            self.head()
        elif self._editing is not None:
            await self.send_edit(self._editing, text)
        else:
            await self._send(text)

    async def _send(self, text: str) -> None:
        turn = self._next_turn(text)
        again = self._unanswered
        if again is not None and (again.text, again.conversation_id) == (text, turn.conversation_id):
            turn.client_message_id = again.client_message_id
        turn.parent_id = self.conversation.last_id if self.on_branch else None
        await self.conversation.begin(text)
        self.begin_turn(turn)

    async def send_edit(self, edited: Block, text: str) -> None:
        """Say a message of the person in other words, or in the same again."""
        turn, self._editing = self._next_turn(text), None
        turn.kind, turn.message_id = "edit", edited.message_id
        await self.conversation.begin_edit(turn.message_id, text)
        self.begin_turn(turn)
        self.head()

    def _next_turn(self, text: str) -> Turn:
        self._turns += 1
        return Turn(self._turns, text, self.open_one, incognito=self.incognito)

    async def say_again(self, reply_id: str) -> None:
        """Ask for another reply in place of one."""
        turn = self._next_turn("")
        turn.kind, turn.message_id = "regenerate", reply_id
        await self.conversation.begin_again(reply_id)
        self.begin_turn(turn)

    def begin_turn(self, turn: Turn) -> None:
        """Let a turn that is shown already begin."""
        self._turn = turn
        self.refresh_bindings()
        self._worker = self._converse(turn)

    @work(group="turn")
    async def _converse(self, turn: Turn) -> None:
        begun = turn.conversation is not None
        try:
            async with aclosing(converse(self.link, turn)) as events:
                async for event in events:
                    if not begun and turn.conversation is not None:
                        begun = True
                        self.post_message(ConversationBegun(turn.number, turn.conversation))
                    self.post_message(EventArrived(turn.number, event))
        except TerminalError as error:
            if not begun and turn.conversation is not None:
                self.post_message(ConversationBegun(turn.number, turn.conversation))
            self.post_message(TurnEnded(turn.number, error))
        else:
            self.post_message(TurnEnded(turn.number))

    @on(ConversationBegun)
    def keep_conversation(self, message: ConversationBegun) -> None:
        """Go on in the conversation that was made for the first message."""
        if self._turn is not None and self._turn.number == message.turn:
            self.open_one = message.conversation
            self.show_title(message.conversation.title or self._turn.text)

    @on(EventArrived)
    async def show_event(self, message: EventArrived) -> None:
        """Show the event, unless its turn was left behind."""
        if self._turn is not None and self._turn.number == message.turn:
            await self.conversation.show(message.event)

    @on(TurnEnded)
    async def end_turn(self, message: TurnEnded) -> None:
        """Make room for the next turn; give the text back where no word of a reply came."""
        turn = self._turn
        if turn is None or turn.number != message.turn:
            return
        self._turn = self._unanswered = None
        self.refresh_bindings()
        if message.error is None:
            await self.conversation.end()
            self.refresh_bindings()
            if turn.kind != "send" and self.open_one is not None:
                self._count_variants(self.open_one)
            await self._send_waiting(stopped=turn.stopping)
            return
        await self._fail(turn, message.error)
        await self._send_waiting(stopped=True)

    @work(group="variants", exclusive=True)
    async def _count_variants(self, conversation: wire.Conversation) -> None:
        """Learn what else was said in the place of a reply or wording, for going back to it."""
        with suppress(TerminalError):
            page = await (await self.link.client()).newest_messages(conversation.id)
            self.post_message(VariantsCounted(page))

    @on(VariantsCounted)
    def show_variants(self, message: VariantsCounted) -> None:
        """Say which of several each message is."""
        self.conversation.learn_variants(message.page.data)

    async def _fail(self, turn: Turn, error: Exception) -> None:
        if isinstance(error, ClientError) and error.code in ("unreachable", "cut", "timeout"):
            self.link.lost(error)
            self.warm_up()
        self.complain("No reply" if turn.stream_id else "Not sent", error)
        conversation = self.conversation
        if conversation.reply is not None and conversation.reply.text:
            await conversation.end("broken off")
            return
        if turn.kind == "regenerate":
            await conversation.withdraw()
        elif self.prompt.give_back(turn.text):
            self._unanswered = turn if turn.kind == "send" else None
            await conversation.withdraw()
        else:
            self._unanswered = turn if turn.kind == "send" else None
            await conversation.fail("not answered")
        if turn.kind != "send" and self.open_one is not None:
            self.load(self.open_one)

    async def _send_waiting(self, *, stopped: bool) -> None:
        """Send what waits; after a stop or a failure it goes back to the prompt, for the person to decide."""
        if not self._waiting:
            return
        if stopped:
            texts, self._waiting = [*self._waiting, self.prompt.text], []
            self.prompt.hold("\n\n".join(text for text in texts if text.strip()))
        else:
            await self._send(self._waiting.pop(0))
        self.head()

    # ---------------------------------------------------------------- editing

    def start_editing(self, said: Block) -> None:
        """Put a message back into the prompt, to be said in other words."""
        self.drafts[f"beside {self.place}"] = self.prompt.text
        self._editing = said
        self.prompt.hold(said.text)
        self.prompt.focus()
        self.head()
        self.refresh_bindings()

    def stop_editing(self) -> None:
        """Leave the message as it was and take up the draft from before."""
        if self._editing is None:
            return
        self._editing = None
        self.prompt.hold(self.drafts.pop(f"beside {self.place}", ""))
        self.head()
        self.refresh_bindings()

    # ---------------------------------------------------------------- stopping and leaving

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer Stop only while there is something to stop."""
        if action == "stop":
            return self.answering or self._editing is not None
        return super().check_action(action, parameters)

    async def action_stop(self) -> None:
        """Ask the backend to stop; it keeps what was said and tells how far it came."""
        turn = self._turn
        if turn is None:
            self.stop_editing()
            return
        if turn.stopping:
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
        if self._worker is not None:
            self._worker.cancel()
        self._turn = None
        self.refresh_bindings()
        if turn.stream_id is None and turn.kind == "send" and self.prompt.give_back(turn.text):
            self._unanswered = turn
            await self.conversation.withdraw()
        else:
            await self.conversation.end("stopped")
        await self._send_waiting(stopped=True)

    @work(group="cancel")
    async def _cancel(self, stream_id: str) -> None:
        try:
            await (await self.link.client()).cancel(stream_id)
        except TerminalError as error:
            self.post_message(RequestFailed("Could not stop the reply", error))

    async def leave(self) -> None:
        """Stop the turn, and leave the conversation with what waits and what is written as its draft."""
        turn, self._turn = self._turn, None
        if turn is not None:
            if turn.stream_id is not None:
                self._cancel(turn.stream_id)
            if self._worker is not None:
                self._worker.cancel()
        self.stop_editing()
        texts, self._waiting = [*self._waiting, self.prompt.text], []
        self.drafts[self.place] = "\n\n".join(text for text in texts if text.strip())
        await super().leave()

    @property
    def unsent(self) -> dict[str, str]:
        """Everything that was written and not sent, by conversation; nothing of an incognito one."""
        written = self.prompt.text if self._editing is None else self.drafts.get(f"beside {self.place}", "")
        here = {} if self.incognito else {self.place: "\n\n".join(t for t in (*self._waiting, written) if t.strip())}
        return {place: text for place, text in self.drafts.items() if not place.startswith("beside ")} | here

    # ---------------------------------------------------------------- what waits

    def head(self) -> None:
        """Say above the prompt what waits its turn, or what is edited."""
        waiting = f"next: {' / '.join(self._waiting)}" if self._waiting else ""
        self.prompt.head(waiting or ("editing an earlier message · Esc leaves it as it was" if self._editing else ""))

    @on(Prompt.Recalled)
    def recall(self) -> None:
        """Bring back what waits to be sent, else what was sent last."""
        if self._waiting:
            self.prompt.hold(self._waiting.pop())
            self.head()
        else:
            self.prompt.recall()
