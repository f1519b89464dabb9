"""What a person allows and prefers."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, field_validator

from assistant.shapes.base import Request, Response, Text


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
