from __future__ import annotations

from datetime import UTC, datetime

from memory.ledger.ledger import Ledger
from memory.ledger.safety_counts import SafetyCount


async def test_events_are_counted_by_year_and_level(ledger: Ledger) -> None:
    for day in (1, 1, 31):
        await ledger.safety_counts.add("screened", "high", datetime(2026, 12, day, 23, 59, tzinfo=UTC))
    await ledger.safety_counts.add("card", "high", datetime(2026, 1, 1, tzinfo=UTC))
    await ledger.safety_counts.add("card", "imminent", datetime(2027, 1, 1, tzinfo=UTC))
    assert await ledger.safety_counts.of_year(2026) == [
        SafetyCount("card", "high", 1),
        SafetyCount("screened", "high", 3),
    ]
    assert await ledger.safety_counts.of_year(2027) == [SafetyCount("card", "imminent", 1)]
    assert await ledger.safety_counts.of_year(2025) == []
