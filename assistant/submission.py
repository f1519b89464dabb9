"""A message on its way: as it arrived, and as it was stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assistant.models.door import Sampling
from assistant.safety.screen import Screen
from memory.types import Conversation, Message, Settings


@dataclass(frozen=True, slots=True)
class Submission:
    """A message as it arrived, before it is stored."""

    person_id: str
    conversation: Conversation
    text: str
    client_message_id: str | None = None
    history: tuple[Message, ...] | None = None
    """What the client says was said before; None means the conversation as stored."""
    instructions: str = ""
    """What an app tells the assistant beside our own system text."""
    memory: Literal["on", "read", "off"] = "on"
    parent_id: str | None = None
    """What it continues; None means what was said last."""
    as_root: bool = False
    """Whether it begins the conversation anew, as editing its first message does."""
    sampling: Sampling | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A message that cannot be lost any more, and what is known about it."""

    submission: Submission
    message: Message
    screen: Screen
    settings: Settings
    history: tuple[Message, ...]
    created: bool
    """False when the same submission was stored before."""
