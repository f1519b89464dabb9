"""How the estimate of a trait came about over time, and the words that moved it most. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from memory.persona.posterior import TEXT, Posterior
from memory.types import Trait, TraitEstimate, TraitEvidence

POINTS = 12
QUOTES = 5

_DAY = timedelta(days=1)


def history(
    evidence: Sequence[TraitEvidence], trait: Trait, *, frozen: datetime | None = None, points: int = POINTS
) -> tuple[tuple[datetime, TraitEstimate], ...]:
    """Return the estimate at the end of days on which evidence came, oldest first, at most `points` of them.

    Evidence that is gone by now is in none of them: what was forgotten leaves no trace here.
    """
    mine = sorted(
        (one for one in evidence if one.trait == trait and (frozen is None or not _after(one, frozen))),
        key=lambda one: (one.observed_at, one.id),
    )
    days = _spread(sorted({_day_end(one.observed_at) for one in mine}), points)
    beliefs, place = Posterior(), 0
    found = []
    for day in days:
        while place < len(mine) and mine[place].observed_at < day:
            beliefs.add(mine[place])
            place += 1
        found.append((day, beliefs.estimate(trait, day, frozen=frozen is not None)))
    return tuple(found)


def strongest(
    evidence: Sequence[TraitEvidence], trait: Trait, now: datetime, *, frozen: datetime | None = None
) -> tuple[TraitEvidence, ...]:
    """Return the words that speak most clearly for where `trait` is now, then the clearest against, at most `QUOTES`.

    Of the places, two are kept for the other direction, so that the person sees what contradicts as well.
    """
    said = [
        one
        for one in evidence
        if one.trait == trait
        and one.source in TEXT
        and one.evidence.quote
        and (frozen is None or not _after(one, frozen))
    ]
    unique = {one.evidence.quote: one for one in sorted(said, key=lambda one: (one.strength, one.observed_at, one.id))}
    clearest = sorted(unique.values(), key=lambda one: -one.strength)
    side = 1 if Posterior(said).estimate(trait, now).mean >= 50 else -1
    agreeing = [one for one in clearest if one.direction == side]
    against = [one for one in clearest if one.direction != side]
    kept = min(2, len(against))
    return (*agreeing[: QUOTES - kept], *against[: max(kept, QUOTES - len(agreeing))])


def _after(one: TraitEvidence, frozen: datetime) -> bool:
    """Whether this is text from after the trait was frozen, which does not count."""
    return one.source in TEXT and one.observed_at > frozen


def _day_end(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + _DAY


def _spread(days: Sequence[datetime], points: int) -> list[datetime]:
    if len(days) <= points:
        return list(days)
    step = (len(days) - 1) / (points - 1)
    return [days[round(place * step)] for place in range(points)]
