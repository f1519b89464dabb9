"""Conversations, their messages, and what people think of replies."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from assistant.shapes.base import MAX_MESSAGE_BYTES, Request, Response, Said, Text


class Conversation(Response):
    """A conversation without its messages."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    archived: bool = False
    incognito: bool = False


class NewConversation(Request):
    """`POST /v1/conversations`."""

    title: Text = Field(default="", max_length=200)
    incognito: bool = False
    """Nothing is learned from it, it is in no list, and closing it deletes it."""


class ConversationChange(Request):
    """`PATCH /v1/conversations/{id}`; what is left out, or null, stays."""

    title: Text | None = Field(default=None, max_length=200)
    archived: bool | None = None


class ConversationPage(Response):
    """One page of conversations, newest first."""

    data: list[Conversation]
    next_cursor: str | None = None


class Message(Response):
    """One message of a conversation."""

    id: str
    conversation_id: str
    parent_id: str | None = None
    role: Literal["user", "assistant"]
    text: str
    created_at: datetime
    status: Literal["complete", "partial", "failed", "retracted"] = "complete"
    policy_version: str | None = None
    variants: list[str] = []
    """When read: ids of the messages in this one's place, itself among them, oldest first; see `leaf`."""
    feedback: Feedback | None = None


class Feedback(Response):
    """What the person thinks of a reply."""

    rating: Literal["up", "down"]
    reason: str | None = None
    better: str | None = None
    updated_at: datetime


class NewFeedback(Request):
    """`PUT /v1/messages/{id}/feedback`."""

    rating: Literal["up", "down"]
    reason: Text | None = Field(default=None, max_length=2000)
    better: Text | None = Field(default=None, max_length=MAX_MESSAGE_BYTES)
    """What they would rather have read."""


class MessagePage(Response):
    """One page of messages, oldest first."""

    data: list[Message]
    next_cursor: str | None = None
    """What stands after it; None at the end, and where the page was asked for from the end."""
    previous_cursor: str | None = None
    """What stands before it, for `before`; only where the page was asked for from the end."""


class NewMessage(Request):
    """`POST /v1/conversations/{id}/messages`."""

    content: Said
    stream: bool = False
    client_message_id: Text | None = Field(default=None, min_length=1, max_length=128)
    parent_id: Text | None = Field(default=None, max_length=128)
    """The message it continues, to go on in another branch; without one, what was said last."""


class Edit(Request):
    """`POST /v1/messages/{id}/edit`."""

    content: Said
    stream: bool = False
    client_message_id: Text | None = Field(default=None, min_length=1, max_length=128)


class Regenerate(Request):
    """`POST /v1/messages/{id}/regenerate`; the body may be left out."""

    stream: bool = False


class Usage(Response):
    """Tokens, as the model's server counted them; None where it does not count."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


Message.model_rebuild()
