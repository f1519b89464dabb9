"""The safety protocol as it is published."""

from __future__ import annotations

from datetime import date

from assistant.shapes.base import CrisisLevel, Response


class ProtocolLevel(Response):
    """What a level stands for, and what follows from it."""

    level: CrisisLevel
    stands_for: str
    follows: list[str]


class ProtocolDirectory(Response):
    """The bundled directory of crisis lines and emergency numbers."""

    version: str
    """Changes with every entry."""
    checked: date
    """The day of the newest check of an entry."""
    oldest_check: date
    countries: list[str]
    """ISO 3166-1 alpha-2, those with a verified line or a sourced emergency number."""
    elsewhere: str
    """The international directory that is named for every other country."""


class SafetyProtocol(Response):
    """`GET /v1/safety/protocol`: what is screened, what follows, and what nobody should expect of it."""

    version: str
    """Changes with every word of the protocol."""
    summary: str
    limits: str
    levels: list[ProtocolLevel]
    categories: list[str]
    replies_never: list[str]
    """What a reply must not say, at any level."""
    guidance: str
    """What a language model is told, before anything else, with a message at `high` or `imminent`; Markdown."""
    languages: list[str]
    """Of the rules and of the fixed texts."""
    directory: ProtocolDirectory
