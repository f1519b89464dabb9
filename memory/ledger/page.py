"""Cursors: where the next page of a list begins, opaque to whoever holds them."""

from __future__ import annotations

import base64
import binascii
import json

from memory.errors import LedgerError


class InvalidCursorError(LedgerError):
    """The cursor was not made by this ledger."""

    def __init__(self) -> None:
        super().__init__("the cursor cannot be read: pass the next_cursor of the page before, unchanged")


def to_cursor(*parts: str) -> str:
    """Write the sort key of a page's last row as a cursor."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def from_cursor(cursor: str, parts: int) -> tuple[str, ...]:
    """Read the sort key, of that many parts, back from a cursor.

    Raises:
        InvalidCursorError: it is no cursor of such a list.
    """
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error) as error:
        raise InvalidCursorError from error
    if not isinstance(values, list) or len(values) != parts or not all(isinstance(value, str) for value in values):
        raise InvalidCursorError
    return tuple(values)
