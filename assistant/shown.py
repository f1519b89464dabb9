"""Stored values and failures as clients see them."""

from __future__ import annotations

from assistant import wire
from assistant.errors import ModelError, StorageUnavailableError
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


def storage_failed() -> wire.ErrorBody:
    """That a reply could not be kept, as an event; the person's message was stored before, so trying again is safe."""
    return wire.ErrorBody(
        message="the storage could not be used just now, so the reply is not kept. Your message is; you can ask again.",
        type=StorageUnavailableError.type,
        code=StorageUnavailableError.code,
        retry_after=1,
    )


def context_used(recollection: Recollection, person: Persona | None, support: SupportPlan) -> wire.ContextUsed:
    """What a reply is made from, as the event that says so."""
    return wire.ContextUsed(
        fact_ids=[recalled.fact.id for recalled in recollection.facts],
        facts=[recalled.fact.text for recalled in recollection.facts],
        profile_ids=[fact.id for fact in recollection.profile],
        profile=[fact.text for fact in recollection.profile],
        persona_version=person.version if person else None,
        plan=support.as_dict(),
        status=recollection.status,
    )
