"""Facts as the ledger would give them, for tests that have no ledger."""

from __future__ import annotations

from datetime import UTC, datetime

from memory.ids import new_id
from memory.types import Fact, Kind


def fact(person_id: str, text: str, id: str | None = None) -> Fact:
    """Return an active fact of this person."""
    return Fact(id or new_id("fact"), person_id, text, Kind.OTHER, 0.9, "stated", (), datetime.now(UTC))
