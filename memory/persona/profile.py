"""A person's five estimates from all evidence there is, as one value with a version. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from memory.persona.posterior import TEXT, Posterior
from memory.types import Persona, Trait, TraitEstimate, TraitEvidence

_NOTHING_FROZEN: Mapping[Trait, datetime] = MappingProxyType({})


def persona(
    evidence: Sequence[TraitEvidence], now: datetime, *, frozen: Mapping[Trait, datetime] = _NOTHING_FROZEN
) -> Persona:
    """Return what `evidence`, in any order, says about one person at `now`.

    Args:
        evidence: of this person only.
        now: what age is counted from, by the day (UTC), so that estimates and version change once a day at most
            when nothing is added or forgotten.
        frozen: since when a trait stands still: text from after that is left out and what is known fades no further.
            The person's own corrections and questionnaires still count, and so does forgetting.
    """
    return believed(Posterior(evidence), now, frozen=frozen)


def believed(beliefs: Posterior, now: datetime, *, frozen: Mapping[Trait, datetime] = _NOTHING_FROZEN) -> Persona:
    """Return what `beliefs` come to, as `persona` does from their evidence."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    estimates = {
        trait: _frozen(trait, beliefs, frozen[trait], today) if trait in frozen else beliefs.estimate(trait, today)
        for trait in Trait
    }
    return Persona(estimates=MappingProxyType(estimates), version=_version(beliefs, today, frozen))


def _frozen(trait: Trait, beliefs: Posterior, since: datetime, today: datetime) -> TraitEstimate:
    kept = (
        piece
        for piece in beliefs.pieces
        if piece.trait == trait and (piece.source not in TEXT or piece.observed_at <= since)
    )
    return Posterior(kept).estimate(trait, min(since, today), frozen=True)


def _version(beliefs: Posterior, today: datetime, frozen: Mapping[Trait, datetime]) -> str:
    # Without evidence nothing fades.
    parts = [f"{beliefs.fingerprint:x}", today.isoformat() if beliefs.pieces else ""]
    parts += [f"{trait} {frozen[trait].isoformat()}" for trait in sorted(frozen)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
