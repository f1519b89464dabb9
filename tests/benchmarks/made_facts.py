"""Facts made up for benchmarks, and the ledger's row of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from memory.ids import new_id
from memory.ledger.facts import fingerprint
from memory.types import Fact, Kind

_LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


def made_fact(person_id: str, text: str, place: int) -> Fact:
    """A stated fact; each `place` is a minute later than the one before."""
    said = _LONG_AGO + timedelta(minutes=place)
    return Fact(new_id("fact"), person_id, text, Kind.OTHER, 0.9, "stated", (), said, created_at=said)


def row_of(fact: Fact) -> dict[str, object]:
    """The row for filling the ledger's table at once."""
    columns = ("id", "person_id", "text", "confidence", "origin", "valid_from", "status", "created_at")
    fields = {name: getattr(fact, name) for name in columns}
    return {**fields, "kind": fact.kind.value, "fingerprint": fingerprint(fact.text)}
