"""Column types of the ledger: text that every database can hold, JSON of such text, and times that know their zone.

A value that cannot be stored faithfully (a lone surrogate, a NUL, a time without a zone) is refused before any SQL is
sent, on both databases alike, so that nothing is written by half and nothing reads back as something else.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.types import TypeDecorator

from memory.errors import LedgerError

Sequence64 = BigInteger().with_variant(Integer, "sqlite")
"""An increasing number the database gives out; on SQLite only INTEGER may autoincrement."""


class UnstorableError(LedgerError, DontWrapMixin):
    """The value cannot be stored; the message says why and never holds the value."""


def storable(text: str) -> str:
    """Return `text`, or raise UnstorableError when it holds a lone surrogate or a NUL."""
    if "\0" in text:
        raise UnstorableError(f"text holds a NUL character at position {text.index(chr(0))}: remove it")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnstorableError(f"text holds a lone surrogate at position {error.start}: it is not Unicode") from None
    return text


def _storable_json(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict | list | tuple):
        for part in (*value.keys(), *value.values()) if isinstance(value, dict) else value:
            _storable_json(part)
    return value


class CleanText(TypeDecorator[str]):
    """Text without lone surrogates and NULs."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Refuse what cannot be stored."""
        return None if value is None else storable(value)


class CleanJSON(TypeDecorator[Any]):
    """JSON whose strings and keys are clean text; JSONB on Postgres."""

    impl = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        """Refuse what cannot be stored."""
        return _storable_json(value)


class UTCDateTime(TypeDecorator[datetime]):
    """A time with its zone going in, in UTC coming out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Turn to UTC; SQLite stores no zone, so every stored time is one of UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise UnstorableError("a time without a time zone cannot be stored: pass an aware datetime")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
