"""After every three hours of use without a longer pause: a reminder that this is an AI, and that a break does good.

Pure, and without a state of its own: it is told when the person wrote, so that every backend on the same ledger says
the same. Incognito messages count while they are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

PAUSE = timedelta(hours=1)
"""A silence of so long ends what counts as continuous use."""
LOOKBACK = timedelta(days=3)


def due(times: Sequence[datetime], every: timedelta) -> int | None:
    """Return after how many hours of continuous use the newest message came, if it is the first since they were full.

    `times` are those of the person's messages within the lookback, oldest first.
    """
    if len(times) < 2 or not every:
        return None
    start = times[-1]
    for earlier in reversed(times[:-1]):
        if start - earlier >= PAUSE:
            break
        start = earlier
    periods, before = (times[-1] - start) // every, (times[-2] - start) // every
    if times[-1] - times[-2] >= PAUSE or periods <= max(0, before):
        return None
    return int(periods * every / timedelta(hours=1))
