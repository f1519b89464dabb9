"""What operators see and do: keys, people, jobs, the record of acts, the yearly safety report."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, model_validator

from assistant.shapes.base import Request, Response, Text

KeyKind = Literal["user", "app", "admin"]


class IndexState(Response):
    """`GET /v1/admin/index`: whether the index holds exactly the active facts of the ledger."""

    people: int
    """Who has facts, or anything in the index."""
    facts: int
    missing: int
    """Facts that the index lacks."""
    orphaned: int
    """What the index holds and the ledger does not hold active."""
    settling: int
    """People of whom the two differ while something is still being learned or forgotten."""
    unreadable: int
    """People whose index cannot be read."""


class KeyView(Response):
    """A key without its secret."""

    id: str
    kind: Literal["user", "app", "admin", "owner"]
    person_id: str | None = None
    """Whom a `user` or `owner` key speaks for."""
    scopes: list[str] = []
    label: str = ""
    created_at: datetime
    revoked_at: datetime | None = None


class KeyMade(Response):
    """A new key with its secret, which is shown this once; only its hash is kept."""

    key: KeyView
    secret: str


class KeyList(Response):
    """All keys, oldest first, revoked ones too."""

    data: list[KeyView]


class NewKey(Request):
    """`POST /v1/admin/keys`."""

    kind: KeyKind = "user"
    person_id: Text | None = Field(default=None, min_length=1, max_length=128)
    """The person of a `user` key; a new person when left out."""
    act_as: bool = False
    """Whether an `app` key may name its people."""
    label: Text = Field(default="", max_length=200)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> NewKey:
        if self.person_id is not None and self.kind != "user":
            raise ValueError("only a key of kind 'user' has a person_id")
        if self.act_as and self.kind != "app":
            raise ValueError("only a key of kind 'app' can act_as")
        return self


class PersonView(Response):
    """A person, by ids alone."""

    id: str
    external_id: str | None = None
    """What the operator or an app calls them."""
    created_at: datetime


class PersonPage(Response):
    """One page of people, oldest first."""

    data: list[PersonView]
    next_cursor: str | None = None


class PersonCounts(Response):
    """A person and how much is kept of them; never what."""

    person: PersonView
    conversations: int
    messages: int
    facts: int
    trait_observations: int
    unfinished_jobs: int
    memory: bool
    persona: bool
    training: bool
    retention_days: int | None = None


class NewPerson(Request):
    """`POST /v1/admin/users`."""

    external_id: Text | None = Field(default=None, min_length=1, max_length=256)
    """What the operator calls them; nobody else may be called so."""


class JobView(Response):
    """A piece of work of one person; what it works on is named by ids elsewhere."""

    id: str
    person_id: str
    kind: str
    status: Literal["pending", "running", "done", "failed"]
    attempts: int
    error: str | None = None
    created_at: datetime


class JobList(Response):
    """Jobs in the order they were enqueued, and how many there are of each status."""

    data: list[JobView]
    counts: dict[str, int]


class ActView(Response):
    """Who did what to whom."""

    at: datetime
    actor: str
    """The id of a key, `operator` for the command line, `person`, or `system`."""
    action: str
    subject: str
    detail: dict[str, Any] = {}


class ActPage(Response):
    """One page of acts, newest first."""

    data: list[ActView]
    next_cursor: str | None = None


class LevelCounts(Response):
    """How often something happened, by level."""

    concern: int = 0
    high: int = 0
    imminent: int = 0


class SafetyReport(Response):
    """A calendar year (UTC) in counts, without a person or a word."""

    year: int
    messages_screened: LevelCounts
    """Messages of people, by the level at which they were screened."""
    cards_shown: LevelCounts
    """How often people were shown crisis lines."""
    replies_replaced: LevelCounts
    """Replies that failed their screen, or did not come, and for which a fixed supportive text stood in."""
    replies_replaced_at_none: int = 0
    resources_checked: str | None = None
    """ISO date of the oldest check among the crisis lines in use."""
    protocol: str = "/v1/safety/protocol"
