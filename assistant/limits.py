"""How much one person may ask for at once, so that nobody takes the model from everybody else.

Counted in this process; somebody in a crisis is answered whatever was counted. The library counts by the wall clock, so
a clock that was set back would refuse for as long as it jumped; what was counted is dropped then.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from limits import RateLimitItemPerMinute, WindowStats
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from assistant.errors import AttuneError

WINDOW_S = 60.0


class RateLimitedError(AttuneError):
    """The person sent too many messages, or has too many replies coming at once."""

    status = 429
    code = "rate_limited"
    type = "rate_limit_error"


class Limits:
    """The messages of each person in the last minute, against what is allowed."""

    def __init__(self, messages_per_minute: int, streams_at_once: int, *, uncounted: str = "") -> None:
        """0 allows any number; `uncounted` may send any number, as the owner of the machine does."""
        self._uncounted = uncounted
        self._streams = streams_at_once
        self._item = RateLimitItemPerMinute(messages_per_minute) if messages_per_minute else None
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def refusal(self, person_id: str, running: int) -> RateLimitedError | None:
        """Return why this person may not send a message now, with `running` replies coming; None if they may."""
        if self._streams and running >= self._streams:
            text = f"{running} replies are coming already, {self._streams} at once are allowed: wait for one to end"
            return RateLimitedError(text, retry_after=1, headers=self.headers(person_id))
        if self._item is None or person_id == self._uncounted or self._limiter.test(self._item, person_id):
            return None
        text = f"{self._item.amount} messages a minute are allowed: wait a moment"
        return RateLimitedError(text, retry_after=max(1, self._reset_s(person_id)), headers=self.headers(person_id))

    def count(self, person_id: str) -> None:
        """Count one message of this person."""
        if self._item is not None:
            self._limiter.hit(self._item, person_id)

    def headers(self, person_id: str) -> Mapping[str, str]:
        """Return what is left, as the headers that OpenAI's clients know."""
        if self._item is None or person_id == self._uncounted:
            return {}
        reset_s = self._reset_s(person_id)
        return {
            "x-ratelimit-limit-requests": str(self._item.amount),
            "x-ratelimit-remaining-requests": str(max(0, self._window(person_id).remaining)),
            "x-ratelimit-reset-requests": f"{reset_s}s",
        }

    def _reset_s(self, person_id: str) -> int:
        """Seconds until one more message is allowed than now."""
        assert self._item is not None
        window = self._window(person_id)
        left = window.reset_time - time.time()
        if left > WINDOW_S + 1:
            self._limiter.clear(self._item, person_id)
            return 0
        return 0 if window.remaining == self._item.amount else max(0, math.ceil(left))

    def _window(self, person_id: str) -> WindowStats:
        assert self._item is not None
        return self._limiter.get_window_stats(self._item, person_id)
