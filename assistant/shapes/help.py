"""Where people in distress can turn, and how the backend is."""

from __future__ import annotations

from typing import Literal

from assistant.shapes.base import Response


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
