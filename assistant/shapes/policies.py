"""What operators see of policies, and how they move them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from assistant.shapes.base import Request, Response, Text


class GateView(Response):
    """A gate that keeps a policy from going live, and why."""

    gate: Literal["evaluation", "safety", "canary"]
    reason: str


class PolicyUsage(Response):
    """What became of the replies of one version."""

    replies: int = 0
    partial: int = 0
    retracted: int = 0
    regenerated: int = 0
    """Replies after which the person asked for another one."""
    liked: int = 0
    disliked: int = 0


class CanaryHealth(Response):
    """How the turns of one side went since the canary began."""

    answered: int = 0
    failed: int = 0
    slow_ms: int | None = None
    """Nine of ten first tokens came within this; missing where there were too few."""


class PolicyView(Response):
    """One version of what may answer."""

    version: str
    kind: Literal["lora", "full", "configured"]
    stage: Literal["candidate", "canary", "live", "previous", "retired"]
    canary_percent: float | None = None
    preset: Literal["full", "paper"]
    prompt_hash: str
    needs_retraining: bool = False
    """Whether somebody whose data it saw is erased."""
    closed_gates: list[GateView] = []
    usage: PolicyUsage = PolicyUsage()
    created_at: datetime
    updated_at: datetime


class PolicyList(Response):
    """All policies, oldest first, and what answers."""

    data: list[PolicyView]
    answers: str
    """The version that answers; without a live policy, the configured model."""


class PolicyDetail(Response):
    """A policy with everything that is known of it."""

    policy: PolicyView
    details: dict[str, Any]
    """As it was registered, with its reports."""
    people: int
    """How many people's data it saw who are still here."""
    canary: CanaryHealth = CanaryHealth()
    others: CanaryHealth = CanaryHealth()


class PolicyPeople(Response):
    """Whose data a policy saw, by id; who was erased since is not in it."""

    data: list[str]


class CanaryShare(Request):
    """`POST /v1/admin/policies/{version}/canary`."""

    percent: float = Field(gt=0, le=100)
    """Of the conversations."""


class Rollback(Request):
    """`POST /v1/admin/policies/rollback`."""

    reason: Text = Field(default="", max_length=500)
