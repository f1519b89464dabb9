"""The events of a turn as it goes on, and the reply that stands for all of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from assistant.shapes.base import CrisisLevel, ErrorBody, Response
from assistant.shapes.conversations import Message, Usage
from assistant.shapes.help import ResourceCard


class MessageCreated(Response):
    """The person's message is stored; from here on it cannot be lost."""

    type: Literal["message.created"] = "message.created"
    message: Message
    stream_id: str
    conversation_id: str


class ContextUsed(Response):
    """What the reply is made from."""

    type: Literal["context.used"] = "context.used"
    fact_ids: list[str] = []
    facts: list[str] = []
    """What the message called up, best first; `fact_ids` are theirs."""
    profile_ids: list[str] = []
    profile: list[str] = []
    """What is known of the person anyway and the message did not call up; `profile_ids` are theirs."""
    persona_version: str | None = None
    plan: dict[str, Any] = {}
    status: str = "ok"
    """`ok`, `off`, `timeout` or `failed`: whether recall completed."""


class Safety(Response):
    """The level at which the message was screened, with resources at high and imminent."""

    type: Literal["safety"] = "safety"
    level: CrisisLevel
    categories: list[str] = []
    resources: ResourceCard | None = None


class Delta(Response):
    """The next piece of the reply."""

    type: Literal["delta"] = "delta"
    seq: int
    text: str


class Notice(Response):
    """Something the person should know: it is an AI, the builtin responder answers, recall was unavailable."""

    type: Literal["notice"] = "notice"
    code: str
    text: str


class MessageCompleted(Response):
    """The reply is stored."""

    type: Literal["message.completed"] = "message.completed"
    message: Message
    usage: Usage = Usage()
    policy_version: str
    timings: dict[str, float] = {}
    finish_reason: Literal["stop", "length"] = "stop"
    """`length` where the reply was cut at its most tokens."""


class MessageRetracted(Response):
    """A reply failed its screen after it was sent; show the replacement in its place."""

    type: Literal["message.retracted"] = "message.retracted"
    message_id: str
    reason: str
    replacement: str


class StreamError(Response):
    """The turn ended in an error; the person's message is kept."""

    type: Literal["error"] = "error"
    error: ErrorBody


class Ping(Response):
    """Sent every 15 seconds of silence."""

    type: Literal["ping"] = "ping"


Event = Annotated[
    MessageCreated | ContextUsed | Safety | Delta | Notice | MessageCompleted | MessageRetracted | StreamError | Ping,
    Field(discriminator="type"),
]

EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class Reply(Response):
    """The answer to a message that was sent without streaming."""

    message: Message
    user_message: Message
    usage: Usage = Usage()
    policy_version: str
    context: ContextUsed | None = None
    safety: Safety | None = None
    notices: list[str] = []
    timings: dict[str, float] = {}
    finish_reason: Literal["stop", "length"] = "stop"
    """`length` where the reply was cut at its most tokens."""
