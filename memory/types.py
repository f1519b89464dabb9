"""The nouns of the house as frozen values: people, conversations, messages, facts, evidence, traits.

They carry no behaviour beyond small derived properties and know nothing of storage. Times are timezone-aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

Role = Literal["user", "assistant"]
MessageStatus = Literal["complete", "partial", "failed", "retracted"]
FactStatus = Literal["active", "superseded", "forgotten"]
FactOrigin = Literal["stated", "inferred", "edited"]
FactReview = Literal["confirmed", "declined"]
JobStatus = Literal["pending", "running", "done", "failed"]
CrisisLevel = Literal["none", "concern", "high", "imminent"]


class Trait(StrEnum):
    """The Big Five, in the field's usual order."""

    OPENNESS = "openness"
    CONSCIENTIOUSNESS = "conscientiousness"
    EXTRAVERSION = "extraversion"
    AGREEABLENESS = "agreeableness"
    NEUROTICISM = "neuroticism"


class Kind(StrEnum):
    """What a fact is about; the taxonomy follows the label families of AlpsBench."""

    IDENTITY = "identity"
    """Name, age, nationality, language."""
    BACKGROUND = "background"
    """Occupation, education, location, family background."""
    RELATIONSHIP = "relationship"
    """Family, partners, friends, colleagues, and how things stand with them."""
    EXPERIENCE = "experience"
    """Something that happened to the person."""
    STATE = "state"
    """A passing physical or mental state."""
    PREFERENCE = "preference"
    """Likes, habits, tastes, and how they want to be talked to."""
    OPINION = "opinion"
    """What they think, value or are curious about."""
    GOAL = "goal"
    """Goals, plans, commitments."""
    BOUNDARY = "boundary"
    """Topics they dislike, sensitive topics, what must not be remembered."""
    POSSESSION = "possession"
    """Pets and things that matter."""
    OTHER = "other"
    """Nothing above fits."""


@dataclass(frozen=True, slots=True)
class Person:
    """One human whose memories are kept apart from everybody else's."""

    id: str
    created_at: datetime
    external_id: str | None = None
    """The name an app knows this person by; unique per app key."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person allows and prefers; the defaults are the safe ones."""

    memory: bool = True
    persona: bool = True
    training: bool = False
    locale: str | None = None
    country: str | None = None
    """ISO 3166-1 alpha-2; chooses the crisis lines."""
    retention_days: int | None = None
    adult: bool | None = None
    """Age attestation: None until the person was asked."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A tree of messages of one person."""

    id: str
    person_id: str
    title: str
    created_at: datetime
    updated_at: datetime
    archived: bool = False
    incognito: bool = False
    origin: str = "chat"
    """`chat`, or `import:<source>`; imported dates may be synthetic, see `synthetic_dates`."""
    synthetic_dates: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One message; replies and edits hang below their parent."""

    id: str
    conversation_id: str
    person_id: str
    parent_id: str | None
    role: Role
    text: str
    created_at: datetime
    status: MessageStatus = "complete"
    client_message_id: str | None = None
    crisis_level: CrisisLevel | None = None
    """Of a person's message, once screened."""
    explanation: Mapping[str, Any] | None = None
    """Of a reply: what explains it (policy_version, prompt_hash, fact_ids, and profile_ids, which are among them,
    persona_version, plan, timings)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The exact words a fact or a trait judgement rests on."""

    message_id: str
    quote: str


@dataclass(frozen=True, slots=True)
class Fact:
    """Something known about one person."""

    id: str
    person_id: str
    text: str
    kind: Kind
    confidence: float
    origin: FactOrigin
    evidence: tuple[Evidence, ...]
    valid_from: datetime
    valid_to: datetime | None = None
    status: FactStatus = "active"
    superseded_by: str | None = None
    created_at: datetime | None = None
    last_recalled_at: datetime | None = None
    review: FactReview | None = None
    """What the person said of it when asked; None while they did not."""

    @property
    def unconfirmed(self) -> bool:
        """Whether it was inferred and the person has not said that it is right."""
        return self.origin == "inferred" and self.review != "confirmed"


@dataclass(frozen=True, slots=True)
class TraitEvidence:
    """One observation that speaks to a trait."""

    id: str
    person_id: str
    trait: Trait
    direction: Literal[-1, 1]
    strength: float
    """0..1: how clearly the quote speaks to the trait."""
    evidence: Evidence
    conversation_id: str
    observed_at: datetime
    item: str | None = None
    """The IPIP item it speaks to, where one was named."""
    source: Literal["model", "offline", "questionnaire", "correction"] = "offline"


@dataclass(frozen=True, slots=True)
class TraitEstimate:
    """A Gaussian posterior over the T-score scale (population mean 50, sd 10)."""

    trait: Trait
    mean: float
    sd: float
    evidence_count: int = 0
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Persona:
    """A person's five estimates and the version that changes whenever any of them does."""

    estimates: Mapping[Trait, TraitEstimate]
    version: str


@dataclass(frozen=True, slots=True)
class RecalledFact:
    """A fact that a message called up, with its score."""

    fact: Fact
    score: float
    """Nearness of message and words to the fact, plus the light lexical term; see memory.recall."""


@dataclass(frozen=True, slots=True)
class Recollection:
    """What one message called up, or why nothing could be."""

    facts: tuple[RecalledFact, ...] = ()
    status: Literal["ok", "words", "off", "timeout", "failed"] = "ok"
    """`words`: shared words alone were compared, because meaning could not be in time. `off`: the person turned memory
    off. `timeout` and `failed` are not the same as nothing to recall."""
    elapsed_ms: float = 0.0
    detail: str = ""
    broken: bool = False
    """Meaning cannot be compared before the index or the embedding model is repaired."""
    profile: tuple[Fact, ...] = ()
    """What is known of the person anyway, beside what the message called up; see memory.profile."""


@dataclass(frozen=True, slots=True)
class NewFact:
    """A fact that reflection proposes; it has no id and no owner until the ledger takes it."""

    text: str
    kind: Kind
    confidence: float
    origin: FactOrigin
    evidence: tuple[Evidence, ...]
    observed_at: datetime
    replaces: tuple[str, ...] = ()
    """Ids of known facts that a language model says this one ends; to be checked."""


@dataclass(frozen=True, slots=True)
class NewTraitEvidence:
    """Trait evidence that reflection proposes."""

    trait: Trait
    direction: Literal[-1, 1]
    strength: float
    evidence: Evidence
    observed_at: datetime
    item: str | None = None
    source: Literal["model", "offline"] = "offline"


@dataclass(frozen=True, slots=True)
class Reflection:
    """What one batch of turns taught, and what was dropped on the way, by reason."""

    facts: tuple[NewFact, ...] = ()
    traits: tuple[NewTraitEvidence, ...] = ()
    feeling: str | None = None
    """The momentary feeling, kept apart from traits."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    by: Literal["model", "offline"] = "offline"


@dataclass(frozen=True, slots=True)
class Job:
    """A durable piece of work for one person; a person's jobs run in order, one at a time."""

    id: str
    person_id: str
    kind: str
    payload: Mapping[str, Any]
    status: JobStatus
    attempts: int
    created_at: datetime
    error: str | None = None


class Complete(Protocol):
    """A language model's one-shot answer; the caller passes it in, so that memory never knows the engine."""

    async def __call__(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any] | None = None) -> str:
        """Answer the chat `messages`; with a JSON `schema`, constrained to it where the engine can.

        Raises:
            Exception: whatever the engine's error is; never an empty string in place of a failure.
        """
        ...
