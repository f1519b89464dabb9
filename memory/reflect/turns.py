"""The turns that reflection reads: which may be read, and how they are cut into batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from memory.types import Message, Role

MAX_FACT_CHARS = 240
"""A longer statement is not one fact."""

REPLY_CHARS = 600
"""The assistant's words are context only; their beginning is enough."""

_CRISIS = frozenset({"high", "imminent"})
_Text = TypeVar("_Text")


def without_crisis(turns: Sequence[Message]) -> list[Message]:
    """Leave out crisis turns and the replies to them: neither may become facts or trait evidence."""
    crisis = {turn.id for turn in turns if turn.crisis_level in _CRISIS}
    return [turn for turn in turns if turn.id not in crisis and turn.parent_id not in crisis]


def reading_chars(role: Role, text: str) -> int:
    """Return how much of a turn is read when it is reflected on."""
    return len(text) if role == "user" else min(len(text), REPLY_CHARS)


def batches(items: Sequence[tuple[int, _Text]], chars: int) -> Iterator[list[_Text]]:
    """Group `(length, item)` pairs, in order, into batches of about `chars`; a longer item is a batch of its own."""
    batch: list[_Text] = []
    size = 0
    for length, item in items:
        if batch and size + length > chars:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch
