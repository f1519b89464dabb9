"""One turn as the client sees it: something the person wants said or said again, and the events of the reply.

A connection that is lost in mid-reply is taken up again where it broke. Knows nothing of screens.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tui.errors import ClientError
from tui.link import Link

if TYPE_CHECKING:
    from assistant import wire
    from tui.client import Client

RESUME_AFTER_S = (0.1, 1.0, 3.0)
"""How long to wait before each attempt to come back to a reply whose connection broke."""


@dataclass(slots=True)
class Turn:
    """One message on its way and the reply to it."""

    number: int
    text: str
    conversation: wire.Conversation | None
    """None: it begins one."""
    incognito: bool = False
    """Whether the conversation that it begins is."""
    kind: Literal["send", "edit", "regenerate"] = "send"
    message_id: str = ""
    """What is edited or answered again."""
    parent_id: str | None = None
    """The message that it continues, where that is not the newest."""
    client_message_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    stream_id: str | None = None
    seen: int = 0
    """Number of the last event that came."""
    stopping: bool = False

    @property
    def conversation_id(self) -> str | None:
        """Where it is said."""
        return self.conversation.id if self.conversation is not None else None


async def converse(link: Link, turn: Turn) -> AsyncGenerator[wire.Event, None]:
    """Say it and yield the events of the reply; a conversation that had to be begun is noted on the turn.

    Raises:
        TerminalError: there is no backend, it refused, or the connection was lost for good.
    """
    client = await link.ready()
    if turn.conversation is None:
        turn.conversation = await client.create_conversation(incognito=turn.incognito)
    events = _asked(client, turn, turn.conversation.id)
    waits = iter(RESUME_AFTER_S)
    lost: ClientError | None = None
    while True:
        try:
            async for number, event in events:
                lost = None
                turn.seen = max(turn.seen, number)
                if event.type == "message.created":
                    turn.stream_id = event.stream_id
                yield event
            return
        except ClientError as error:
            lost = _first_loss(error, lost, turn)
        wait = next(waits, None)
        if wait is None:
            raise lost
        await asyncio.sleep(wait)
        events = client.resume(turn.stream_id or "", turn.seen)


def _first_loss(error: ClientError, before: ClientError | None, turn: Turn) -> ClientError:
    """The loss to report if coming back fails; raises what coming back cannot mend."""
    if error.code == "unreachable" and before is not None:
        return before
    if error.code in ("cut", "timeout") and turn.stream_id is not None and turn.seen:
        return before or error
    raise before or error


def _asked(client: Client, turn: Turn, conversation_id: str) -> AsyncIterator[tuple[int, wire.Event]]:
    if turn.kind == "edit":
        return client.edit(turn.message_id, turn.text, turn.client_message_id)
    if turn.kind == "regenerate":
        return client.regenerate(turn.message_id)
    return client.send(conversation_id, turn.text, turn.client_message_id, parent_id=turn.parent_id)
