"""Stored values and failures as clients see them."""

from __future__ import annotations

from assistant import wire
from assistant.errors import ModelError
from assistant.support import SupportPlan
from memory.types import Message, Persona, Recollection


def wire_message(message: Message) -> wire.Message:
    """A stored message as clients see it."""
    return wire.Message(
        id=message.id,
        conversation_id=message.conversation_id,
        parent_id=message.parent_id,
        role=message.role,
        text=message.text,
        created_at=message.created_at,
        status=message.status,
        policy_version=(message.explanation or {}).get("policy_version"),
    )


def error_body(error: ModelError) -> wire.ErrorBody:
    """A model's failure as an event; the person's message is kept, so trying again is safe."""
    return wire.ErrorBody(
        message=f"{error.message.rstrip('.')}. Your message is kept; you can ask again.",
        type=error.type,
        code=error.code,
        retry_after=error.retry_after,
    )


def context_used(recollection: Recollection, person: Persona | None, support: SupportPlan) -> wire.ContextUsed:
    """What a reply is made from, as the event that says so."""
    return wire.ContextUsed(
        fact_ids=[recalled.fact.id for recalled in recollection.facts],
        facts=[recalled.fact.text for recalled in recollection.facts],
        persona_version=person.version if person else None,
        plan=support.as_dict(),
        status=recollection.status,
    )
