"""The archive's format, version 1: what each JSON file of the zip holds. docs/portability.md explains it.

Ids are those of the installation that wrote it and tie the files together; whoever reads it makes new ones. A reader
of version 1 refuses fields it does not know, because it would lose them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from memory.ids import is_id
from memory.ledger.columns import UnstorableError, storable
from memory.types import Kind, Trait

FORMAT = "attune"
VERSION = 1


def _id(value: str) -> str:
    if not is_id(value):
        raise ValueError("not an id as Attune makes them")
    return value


def _text(value: str) -> str:
    try:
        return storable(value)
    except UnstorableError as error:
        raise ValueError(str(error)) from None


Id = Annotated[str, AfterValidator(_id)]
Text = Annotated[str, AfterValidator(_text)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Manifest(_Part):
    """`manifest.json`: what this is; nothing of it is restored."""

    format: Literal["attune"] = "attune"
    version: int
    person: Id
    external_id: str | None = None
    since: AwareDatetime
    exported_at: AwareDatetime
    files: dict[str, str]
    """The sha256 of every other JSON file."""


class Consent(_Part):
    """One change of mind about one purpose."""

    purpose: Literal["memory", "persona", "training"]
    granted: bool
    at: AwareDatetime


class Settings(_Part):
    """What the person allows and prefers; None for a person who never chose."""

    memory: bool
    persona: bool
    training: bool
    locale: Text | None = None
    country: Text | None = None
    retention_days: int | None = Field(default=None, ge=1)
    adult: bool | None = None


class Person(_Part):
    """`settings.json`."""

    settings: Settings | None = None
    consents: tuple[Consent, ...] = ()


class Opinion(_Part):
    """What the person thinks of a reply."""

    rating: Literal["up", "down"]
    reason: Text | None = None
    better: Text | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Message(_Part):
    """One message; variants share a parent."""

    id: Id
    place: int = Field(ge=1)
    """Its place among all messages of the person, in the order they were stored."""
    parent_id: Id | None = None
    role: Literal["user", "assistant"]
    text: Text
    status: Literal["complete", "partial", "failed", "retracted"] = "complete"
    created_at: AwareDatetime
    client_message_id: Text | None = None
    crisis_level: Literal["none", "concern", "high", "imminent"] | None = None
    explanation: dict[str, Any] | None = None
    feedback: Opinion | None = None


class Conversation(_Part):
    """`conversations/0001.json`: a conversation with all its messages, oldest first."""

    id: Id
    title: Text
    created_at: AwareDatetime
    updated_at: AwareDatetime
    archived: bool = False
    origin: Text = "chat"
    synthetic_dates: bool = False
    thread: Text | None = None
    """A hash by which a client that keeps its history itself comes back to it."""
    messages: tuple[Message, ...]
    unlearned: tuple[tuple[Id, ...], ...] = ()
    """Messages that were still to be learned from, in batches."""

    @model_validator(mode="after")
    def _is_a_tree(self) -> Conversation:
        seen: set[str] = set()
        for message in self.messages:
            if message.parent_id is not None and message.parent_id not in seen:
                raise ValueError("a message hangs below one that does not come before it in its conversation")
            seen.add(message.id)
        if len(seen) < len(self.messages) or not seen.issuperset(id for batch in self.unlearned for id in batch):
            raise ValueError("two messages have one id, or what is to be learned from is not in the conversation")
        return self


class Quote(_Part):
    """The exact words something rests on."""

    message_id: Id
    quote: Text


class Fact(_Part):
    """One fact, active or superseded."""

    id: Id
    text: Text
    kind: Kind
    confidence: float = Field(ge=0, le=1)
    origin: Literal["stated", "inferred", "edited"]
    status: Literal["active", "superseded"]
    superseded_by: Id | None = None
    review: Literal["confirmed", "declined"] | None = None
    """What the person said when asked whether it is right."""
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None
    created_at: AwareDatetime
    last_recalled_at: AwareDatetime | None = None
    evidence: tuple[Quote, ...] = ()


class Forgotten(_Part):
    """A statement that the person had forgotten: salted hashes, so that older messages do not teach it again."""

    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    until: Id | None = None
    """The person's newest message then."""


class Memories(_Part):
    """`memories.json`."""

    facts: tuple[Fact, ...] = ()
    forgotten: tuple[Forgotten, ...] = ()


class Observation(_Part):
    """One observation that speaks to a trait, of chat, questionnaire or the person's own correction."""

    id: Id
    trait: Trait
    direction: Literal[-1, 1]
    strength: float = Field(ge=0, le=1)
    source: Literal["model", "offline", "questionnaire", "correction"]
    item: Text | None = None
    observed_at: AwareDatetime
    conversation_id: Id | None = None
    message_id: Id | None = None
    quote: Text = ""


class Control(_Part):
    """What the person decided about a trait."""

    trait: Trait
    frozen_at: AwareDatetime | None = None
    withdrawn: bool = False
    withdrawn_until: Id | None = None
    """The person's newest message when they withdrew what had been observed."""


class Traits(_Part):
    """`traits.json`."""

    observations: tuple[Observation, ...] = ()
    controls: tuple[Control, ...] = ()


class Key(_Part):
    """A key of the person, without its secret."""

    kind: str
    label: str
    created_at: datetime
    revoked_at: datetime | None = None


class Act(_Part):
    """Something that was done to the person's data."""

    at: datetime
    actor: str
    action: str


class Account(_Part):
    """`account.json`: what this installation keeps beside; nothing of it is restored."""

    keys: tuple[Key, ...] = ()
    acts: tuple[Act, ...] = ()
    data_sets: tuple[str, ...] = ()
    """Data sets for training that hold rows made from the person's words."""


class Archive(_Part):
    """Everything held about one person."""

    person: Person = Person()
    conversations: tuple[Conversation, ...] = ()
    memories: Memories = Memories()
    traits: Traits = Traits()
    account: Account = Account()

    @model_validator(mode="after")
    def _hangs_together(self) -> Archive:
        told = [message.id for conversation in self.conversations for message in conversation.messages]
        quoted = {quote.message_id for fact in self.memories.facts for quote in fact.evidence}
        quoted |= {one.message_id for one in self.traits.observations if one.message_id is not None}
        if len(set(told)) < len(told) or not quoted.issubset(told):
            raise ValueError("a message is there twice, or something rests on one that is not there")
        held = {conversation.id for conversation in self.conversations}
        if not held.issuperset(one.conversation_id for one in self.traits.observations if one.conversation_id):
            raise ValueError("something was observed in a conversation that is not there")
        return self
