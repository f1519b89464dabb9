"""The wire format: requests, responses and stream events.

Imports nothing of ours; it is all that the terminal client may see of the backend. Unknown fields of a request are
refused; clients must ignore unknown fields of a response and unknown event types.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, field_validator, model_validator

MAX_MESSAGE_BYTES = 32 * 1024

CrisisLevel = Literal["none", "concern", "high", "imminent"]


def storable(text: str) -> str:
    """Return `text` unchanged if every database and every client can hold it.

    Raises:
        ValueError: it holds NUL or half of a surrogate pair.
    """
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode: it contains half of a surrogate pair") from None
    return text


def said(text: str) -> str:
    """Return `text` unchanged if it is something a person can have said: storable and not blank."""
    if not storable(text).strip():
        raise ValueError("must not be blank")
    return text


Text = Annotated[str, AfterValidator(storable)]
Said = Annotated[str, AfterValidator(said)]


class Request(BaseModel):
    """Base of every request body."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Response(BaseModel):
    """Base of every response body and event."""

    model_config = ConfigDict(extra="ignore", frozen=True)


# ---------------------------------------------------------------- errors


class ErrorBody(Response):
    """What went wrong, where, and the repair."""

    message: str
    type: str
    code: str
    param: str | None = None
    request_id: str | None = None
    retry_after: float | None = None


class ErrorEnvelope(Response):
    """Every error response."""

    error: ErrorBody


# ---------------------------------------------------------------- conversations and messages


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


# ---------------------------------------------------------------- memories


class Evidence(Response):
    """The exact words a fact rests on."""

    message_id: str
    quote: str


class Memory(Response):
    """One fact about the person."""

    id: str
    text: str
    kind: str
    confidence: float
    origin: str
    status: str
    valid_from: datetime
    valid_to: datetime | None = None
    evidence: list[Evidence] = []


MemoryKind = Literal[
    "identity",
    "background",
    "relationship",
    "experience",
    "state",
    "preference",
    "opinion",
    "goal",
    "boundary",
    "possession",
    "other",
]


class NewMemory(Request):
    """`POST /v1/me/memories`: what the person wants to be remembered, in their words."""

    text: Said = Field(max_length=1000)
    kind: MemoryKind = "other"


class MemoryChange(Request):
    """`PATCH /v1/me/memories/{id}`: what is right instead; without a kind it keeps the one it has."""

    text: Said = Field(max_length=1000)
    kind: MemoryKind | None = None


class FactUsed(Response):
    """A fact that a reply was made from, as it is known today."""

    id: str
    text: str
    status: str
    """`active`, or `superseded` by something learned later."""
    evidence: list[Evidence] = []


class PersonaUsed(Response):
    """The persona that a reply was planned with."""

    version: str
    current: bool
    """Whether the estimates are still the same; `traits` are given only then."""
    traits: dict[str, float] = {}
    """T-scores by trait."""


class Why(Response):
    """`GET /v1/messages/{id}/why`: what was noted when a reply was made."""

    message_id: str
    recorded: bool
    """False for replies that were imported: nothing is known of how they were made."""
    policy_version: str | None = None
    preset: str | None = None
    prompt_hash: str | None = None
    crisis_level: CrisisLevel | None = None
    recall: str | None = None
    """Status of recall: `ok`, `off`, `timeout` or `failed`."""
    facts: list[FactUsed] = []
    forgotten: list[str] = []
    """Ids of facts that the reply was made from and that were forgotten since."""
    persona: PersonaUsed | None = None
    """None where the person's persona was off."""
    plan: dict[str, Any] = {}
    timings: dict[str, float] = {}


class MemoryPage(Response):
    """One page of memories, newest first."""

    data: list[Memory]
    next_cursor: str | None = None


class Receipt(Response):
    """What was forgotten, or would be with `dry_run`; the lists are ids."""

    scope: Literal["fact", "message", "conversation", "person"]
    ids: list[str]
    dry_run: bool = False
    at: datetime
    facts: list[str]
    weakened: list[str]
    """Facts that stay, because they rest on something else too or were edited by hand, and lose quotes."""
    evidence: int
    """How many quotes behind facts."""
    trait_evidence: list[str]
    messages: list[str]
    conversations: list[str]
    jobs: list[str]
    files: int = 0
    """Files that a broken import had left."""
    index_rebuilt: bool = False
    """The index was damaged and was built again from what remains."""
    ledger_rewritten: bool = False
    """The ledger's file held stray copies of deleted rows and was written anew."""
    verified: bool = False
    """The ledger, the index and the data directory were read again afterwards."""
    remaining: int = 0
    """How much of it was found then; an answer always has 0, anything else is an error."""
    unprovable: list[str]
    """Where copies may be that nobody here can see."""


class Forgotten(Response):
    """The receipt of `DELETE /v1/me/memories/{id}`."""

    id: str
    forgotten: list[str]
    """Ids of the facts that are gone, or would go with `dry_run=true`."""
    dry_run: bool = False
    receipt: Receipt | None = None


# ---------------------------------------------------------------- persona

TraitName = Literal["openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism"]
TraitLevel = Literal["low", "medium", "high"]


class TraitQuote(Response):
    """Words of the person that speak to a trait."""

    quote: str
    at: datetime
    direction: Literal[-1, 1]
    """1 where they speak for a high trait."""
    strength: float
    item: str | None = None
    """The questionnaire item they are nearest to, where there is one."""
    message_id: str
    conversation_id: str


class TraitPoint(Response):
    """The estimate as it stood at the end of a day."""

    at: datetime
    mean: float
    sd: float


class TraitView(Response):
    """What is believed of one trait, as T-scores (50 is the average, 10 the standard deviation among people)."""

    trait: TraitName
    mean: float
    sd: float
    interval: tuple[float, float]
    """Between which the trait lies with 80 % probability."""
    level: TraitLevel | None = None
    label: str
    """`low`, `medium`, `high` or `not yet known`."""
    probability: float
    """Of the likeliest level, shown or not; one third where nothing is known."""
    leaning: Literal["low", "high"] | None = None
    """Where no level is shown, the side that is a little likelier."""
    source: Literal["nothing", "conversations", "questionnaire", "correction"]
    """On what the estimate rests most."""
    evidence_count: int
    frozen: bool = False
    frozen_at: datetime | None = None
    quotes: list[TraitQuote] = []
    history: list[TraitPoint] = []


class PersonaView(Response):
    """`GET /v1/me/persona`."""

    enabled: bool
    """False when the person turned it off: nothing is added to it, and no reply uses it."""
    version: str
    traits: list[TraitView]
    note: str


class TraitChange(Request):
    """`PATCH /v1/me/persona`: say how it is, by a level or a T-score, and let the trait stand still or move."""

    trait: TraitName
    level: TraitLevel | None = None
    t_score: float | None = Field(default=None, ge=20, le=80)
    frozen: bool | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> TraitChange:
        if self.level is not None and self.t_score is not None:
            raise ValueError("give a level or a t_score, not both")
        if self.level is None and self.t_score is None and self.frozen is None:
            raise ValueError("give a level, a t_score or frozen")
        return self


class PersonaForgotten(Response):
    """The receipt of `DELETE /v1/me/persona`; the same messages teach these traits nothing any more."""

    traits: list[TraitName]
    withdrawn: int
    """How many observations are gone."""


class Question(Response):
    """One statement of a questionnaire."""

    id: str
    text: str


class Questionnaire(Response):
    """`GET /v1/me/persona/questionnaire`."""

    name: str
    title: str
    instructions: str
    scale: list[str]
    """What the answers 1 to 5 mean, in that order."""
    questions: list[Question]
    reliability: dict[str, float]
    norms: str


class QuestionnaireAnswers(Request):
    """`POST /v1/me/persona/questionnaire`: an answer from 1 to 5 to each question, by its id."""

    answers: dict[Annotated[str, Field(max_length=8)], Annotated[int, Field(ge=1, le=5)]] = Field(max_length=50)


# ---------------------------------------------------------------- settings


class ConsentView(Response):
    """One change of mind about one purpose."""

    purpose: str
    granted: bool
    at: datetime


class SettingsView(Response):
    """`GET /v1/me/settings`: what the person allows and prefers."""

    memory: bool
    persona: bool
    training: bool
    locale: str | None = None
    country: str | None = None
    retention_days: int | None = None
    adult: bool | None = None
    consents: list[ConsentView] = []
    """Every consent given or withdrawn, oldest first; the defaults are not among them."""


class SettingsChange(Request):
    """`PATCH /v1/me/settings`; what is left out stays, and null takes back what may be unsaid."""

    memory: bool | None = None
    """Whether anything is remembered and used."""
    persona: bool | None = None
    training: bool | None = None
    """Whether conversations and feedback may train a model; off until the person says otherwise."""
    locale: Text | None = Field(default=None, min_length=2, max_length=64)
    country: Text | None = Field(default=None, min_length=2, max_length=8)
    """ISO 3166-1 alpha-2; chooses the crisis lines."""
    retention_days: int | None = Field(default=None, ge=1, le=36500)
    adult: bool | None = None

    @field_validator("memory", "persona", "training")
    @classmethod
    def _decided(cls, value: bool | None) -> bool:
        if value is None:
            raise ValueError("must be true or false")
        return value


# ---------------------------------------------------------------- safety and health


class Resource(Response):
    """A crisis line or emergency number, from the bundled directory."""

    name: str
    call: str | None = None
    text: str | None = None
    chat: str | None = None
    hours: str | None = None
    languages: list[str] = []
    checked: str | None = None
    """ISO date on which the entry was last checked; None where nothing verified is known."""


class ResourceCard(Response):
    """Where a person in distress can turn, for one country."""

    country: str | None = None
    message: str
    emergency: Resource | None = None
    lines: list[Resource] = []


class Health(Response):
    """`GET /readyz`: each dependency by name, `ok`, `starting`, or what is wrong."""

    status: Literal["ready", "degraded", "starting", "unavailable"]
    checks: dict[str, str] = {}
    policy: str | None = None
    """What answers, in words; says so when it is the builtin responder."""


# ---------------------------------------------------------------- stream events


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

Message.model_rebuild()
Reply.model_rebuild()
