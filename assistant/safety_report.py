"""The yearly safety report: how often people in distress were noticed and shown where to turn; counts only."""

from __future__ import annotations

from collections.abc import Sequence

from assistant import wire
from assistant.safety.resources import directory
from memory.ledger.ledger import Ledger
from memory.ledger.safety_counts import SafetyCount, SafetyEvent


async def safety_report(ledger: Ledger, year: int) -> wire.SafetyReport:
    """Sum up a calendar year (UTC)."""
    counts = await ledger.safety_counts.of_year(year)
    none = sum(one.count for one in counts if (one.event, one.level) == ("replaced", "none"))
    return wire.SafetyReport(
        year=year,
        messages_screened=_by_level(counts, "screened"),
        cards_shown=_by_level(counts, "card"),
        replies_replaced=_by_level(counts, "replaced"),
        replies_replaced_at_none=none,
        resources_checked=_oldest_check(),
    )


def lines_of(report: wire.SafetyReport) -> list[str]:
    """The report in words, to be read and filed."""
    lines = [f"Safety report for {report.year} (calendar year, UTC). Counts only; nobody is named in them.", ""]
    for words, counts in (
        ("Messages that showed distress", report.messages_screened),
        ("Times crisis lines were shown", report.cards_shown),
        ("Replies that were replaced by a fixed supportive text", report.replies_replaced),
    ):
        lines.append(f"{words}: {counts.concern + counts.high + counts.imminent}")
        lines.append(f"  concern {counts.concern}, high {counts.high}, imminent {counts.imminent}")
    lines.append(f"Unsafe replies to other messages that were replaced: {report.replies_replaced_at_none}")
    lines += ["", f"The oldest entry of the crisis lines was checked on {report.resources_checked or 'no known day'}."]
    lines.append(f"What happens at each level: {report.protocol}")
    return lines


def _by_level(counts: Sequence[SafetyCount], event: SafetyEvent) -> wire.LevelCounts:
    return wire.LevelCounts(**{one.level: one.count for one in counts if one.event == event and one.level != "none"})


def _oldest_check() -> str | None:
    known = directory()
    resources = [line for lines in known.lines.values() for line in lines] + list(known.emergency.values())
    return min((resource.checked for resource in resources if resource.checked), default=None)
