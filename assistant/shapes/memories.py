"""What is remembered about a person, what replies were made from it, and the receipts of forgetting."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from assistant.shapes.base import CrisisLevel, Request, Response, Said


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
    review: Literal["confirmed", "declined"] | None = None
    """What the person said of it when asked."""
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
    profile: bool = False
    """Whether it is what is known of the person anyway: the message did not call it up."""
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
    dataset_rows: int = 0
    """Rows of data sets for training that rest on it and are marked: training refuses them."""
    files: int = 0
    """Files that a broken import had left."""
    exports: int = 0
    """Exports of the person that were kept here, deleted whatever was forgotten."""
    dataset_files: int = 0
    """Answers that were kept for building data sets, and files of rows that training refuses, deleted."""
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
