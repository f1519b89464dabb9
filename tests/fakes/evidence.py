"""Trait evidence for tests, with everything that does not matter filled in."""

from datetime import UTC, datetime
from typing import Literal

from memory.types import Evidence, Trait, TraitEvidence

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def trait_evidence(
    id: str = "ev_1",
    *,
    trait: Trait = Trait.NEUROTICISM,
    direction: Literal[-1, 1] = 1,
    strength: float = 0.5,
    message_id: str = "msg_1",
    conversation_id: str = "con_1",
    observed_at: datetime = NOON,
    item: str | None = None,
    source: Literal["model", "offline", "questionnaire", "correction"] = "offline",
) -> TraitEvidence:
    """Make one piece of evidence of one person."""
    return TraitEvidence(
        id=id,
        person_id="per_1",
        trait=trait,
        direction=direction,
        strength=strength,
        evidence=Evidence(message_id, "some words"),
        conversation_id=conversation_id,
        observed_at=observed_at,
        item=item,
        source=source,
    )
