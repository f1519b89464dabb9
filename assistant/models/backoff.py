"""How long to wait before a failed request is sent again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

BASE_S = 0.25
LONGEST_S = 4.0
RETRY_AFTER_CAP_S = 10.0
"""A server that asks for more patience than this is not asked again within the same turn."""


def backoff(attempt: int) -> float:
    """Return a jittered, doubling delay in seconds before the try after `attempt` (from 0)."""
    return min(LONGEST_S, BASE_S * 2.0**attempt) * random.uniform(0.5, 1.0)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a response asks to wait, from either form of `Retry-After`; None where it does not ask."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None
