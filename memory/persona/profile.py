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
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    beliefs = Posterior(evidence)
    estimates = {
        trait: _frozen(trait, evidence, frozen[trait], today) if trait in frozen else beliefs.estimate(trait, today)
        for trait in Trait
    }
    return Persona(estimates=MappingProxyType(estimates), version=_version(evidence, today, frozen))


def _frozen(trait: Trait, evidence: Sequence[TraitEvidence], since: datetime, today: datetime) -> TraitEstimate:
    kept = (
        piece for piece in evidence if piece.trait == trait and (piece.source not in TEXT or piece.observed_at <= since)
    )
    return Posterior(kept).estimate(trait, min(since, today), frozen=True)


def _version(evidence: Sequence[TraitEvidence], today: datetime, frozen: Mapping[Trait, datetime]) -> str:
    # Without evidence nothing fades.
    digest = hashlib.sha256(today.isoformat().encode() if evidence else b"")
    for line in sorted(_line(piece) for piece in evidence):
        digest.update(line.encode())
    for trait in sorted(frozen):
        digest.update(f"{trait} {frozen[trait].isoformat()}\n".encode())
    return digest.hexdigest()[:12]


def _line(piece: TraitEvidence) -> str:
    return (
        f"{piece.id} {piece.trait} {piece.direction} {piece.strength!r} {piece.source} {piece.item} "
        f"{piece.conversation_id} {piece.observed_at.isoformat()}\n"
    )
