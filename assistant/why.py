"""Why a reply was said: what was noted when it was made, beside what is still known of it today."""

from __future__ import annotations

from datetime import UTC, datetime

from assistant import wire
from assistant.errors import ConflictError
from memory.ledger.ledger import Ledger
from memory.persona.profile import persona as persona_of
from memory.types import Message


async def why(ledger: Ledger, reply: Message) -> wire.Why:
    """Explain a reply.

    Raises:
        ConflictError: the message is no reply.
    """
    if reply.role != "assistant":
        raise ConflictError("only a reply can be explained")
    noted = dict(reply.explanation or {})
    fact_ids = [str(id) for id in noted.get("fact_ids") or []]
    profile_ids = set(noted.get("profile_ids") or [])
    known = await ledger.facts.many(reply.person_id, fact_ids, status=None)
    version = noted.get("persona_version")
    return wire.Why(
        message_id=reply.id,
        recorded=bool(noted),
        policy_version=noted.get("policy_version"),
        preset=noted.get("preset"),
        prompt_hash=noted.get("prompt_hash"),
        crisis_level=noted.get("crisis_level"),
        recall=noted.get("recall"),
        facts=[
            wire.FactUsed(
                id=fact.id,
                text=fact.text,
                status=fact.status,
                profile=fact.id in profile_ids,
                evidence=[wire.Evidence(message_id=e.message_id, quote=e.quote) for e in fact.evidence],
            )
            for fact in known
        ],
        forgotten=[id for id in fact_ids if id not in {fact.id for fact in known}],
        persona=None if version is None else await _persona(ledger, reply.person_id, str(version)),
        plan=noted.get("plan") or {},
        timings=noted.get("timings") or {},
    )


async def _persona(ledger: Ledger, person_id: str, version: str) -> wire.PersonaUsed:
    """The estimates that the reply was planned with, if they are the same today; else only their version."""
    frozen = await ledger.trait_controls.frozen(person_id)
    today = persona_of(await ledger.traits.list(person_id), datetime.now(UTC), frozen=frozen)
    same = today.version == version
    means = {str(trait): round(estimate.mean, 1) for trait, estimate in today.estimates.items()}
    return wire.PersonaUsed(version=version, current=same, traits=means if same else {})
