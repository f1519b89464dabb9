"""What all conversations together show of one trait, each fading with its age: exact sums that are kept, not redone.

All conversations fade by the same factor in the same time. So each keeps the weight it had at one fixed moment, and
the factor from then to now is applied to the sum: taking one piece in or out costs the same however many there are.
Weights and weighted values are summed as integers of a unit so small that nothing is rounded, hence the order of
adding and withdrawing cannot matter. Nothing gains weight by lying in the future; only conversations later than "now"
are looked at one by one.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from memory.types import TraitEvidence

_FIXED = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
_STRENGTH_UNIT = 2**60
"""Signed strengths are summed as integers of this unit."""
_WEIGHT_UNIT = 2.0**200
"""A weight times this is a whole number within the range of a float, as long as no date lies too far away."""
_FARTHEST = 100.0
"""In half-lives from the fixed moment; what lies farther away counts as lying there."""


@dataclass(frozen=True, slots=True)
class Weighing:
    """How the pieces of one conversation are weighed; variances in sd²."""

    gain: float
    """By how much direction · strength rises, on average, with one standard deviation of the trait."""
    piece: float
    """Error variance of one piece of evidence."""
    conversation: float
    """Error variance that all pieces of a conversation share."""
    half_life_s: float
    """In what time a conversation's weight halves."""


@dataclass(slots=True)
class _Conversation:
    """The pieces of one conversation, added up exactly."""

    count: int = 0
    signed: int = 0
    microseconds: int = 0

    @property
    def at(self) -> float:
        """The mean time of its pieces, in seconds."""
        return self.microseconds / self.count / 1e6

    def totals(self, weighing: Weighing, at: float) -> tuple[int, int]:
        """Return weight and weighted value as they were at the fixed moment, had all been said at `at`."""
        kept = 2.0 ** max(-_FARTHEST, min(_FARTHEST, (at - _FIXED) / weighing.half_life_s))
        weight = kept / (weighing.piece / self.count + weighing.conversation)
        value = weight * (self.signed / self.count / _STRENGTH_UNIT / weighing.gain)
        return int(weight * _WEIGHT_UNIT), int(value * _WEIGHT_UNIT)


class Fading:
    """The running sums over the conversations that speak for one trait in one way."""

    def __init__(self, weighing: Weighing) -> None:
        self._weighing = weighing
        self.count = 0
        """Of the pieces."""
        self._conversations: dict[str, _Conversation] = {}
        self._by_time: list[tuple[float, str]] = []
        self._weight = 0
        self._value = 0

    def count_in(self, piece: TraitEvidence, times: Literal[-1, 1]) -> None:
        """Take a piece in (1) or out (-1)."""
        id = piece.conversation_id
        conversation = self._conversations.setdefault(id, _Conversation())
        self._take_out(id, conversation)
        self.count += times
        conversation.count += times
        conversation.signed += times * round(piece.direction * piece.strength * _STRENGTH_UNIT)
        conversation.microseconds += times * round(piece.observed_at.timestamp() * 1e6)
        self._put_in(id, conversation)
        if not conversation.count:
            del self._conversations[id]

    def clear(self) -> None:
        """Take everything out."""
        self.count = self._weight = self._value = 0
        self._conversations.clear()
        self._by_time.clear()

    def combined(self, now: float) -> tuple[float, float] | None:
        """Return the weighted mean in sd, and its precision at `now` (seconds); None if nothing was said."""
        weight, value = self._weight, self._value
        for place in range(len(self._by_time) - 1, -1, -1):
            at, id = self._by_time[place]
            if at <= now:
                break
            later, today = (self._conversations[id].totals(self._weighing, moment) for moment in (at, now))
            weight += today[0] - later[0]
            value += today[1] - later[1]
        if weight <= 0:
            return None
        faded = 0.5 ** ((now - _FIXED) / self._weighing.half_life_s)
        return value / weight, weight / int(_WEIGHT_UNIT) * faded

    def _take_out(self, id: str, conversation: _Conversation) -> None:
        if conversation.count:
            self._sum(conversation, -1)
            del self._by_time[bisect_left(self._by_time, (conversation.at, id))]

    def _put_in(self, id: str, conversation: _Conversation) -> None:
        if conversation.count:
            self._sum(conversation, 1)
            insort(self._by_time, (conversation.at, id))

    def _sum(self, conversation: _Conversation, times: Literal[-1, 1]) -> None:
        weight, value = conversation.totals(self._weighing, conversation.at)
        self._weight += times * weight
        self._value += times * value
