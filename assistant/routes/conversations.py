"""Conversations."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from assistant import wire
from assistant.auth import PersonId, Runtimes
from assistant.erasing import forget
from memory.ledger.going import Target
from memory.types import Conversation

router = APIRouter(prefix="/v1/conversations", tags=["conversations"])


def wire_conversation(conversation: Conversation) -> wire.Conversation:
    """A stored conversation as clients see it."""
    return wire.Conversation(
        id=conversation.id,
        title=conversation.title,
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
        archived=conversation.archived,
        incognito=conversation.incognito,
    )


@router.post("", status_code=201)
async def create(runtime: Runtimes, person: PersonId, body: wire.NewConversation | None = None) -> wire.Conversation:
    """Begin a conversation."""
    wanted = body or wire.NewConversation()
    made = await runtime.ledger.conversations.create(person, title=wanted.title, incognito=wanted.incognito)
    return wire_conversation(made)


@router.get("")
async def list_all(
    runtime: Runtimes,
    person: PersonId,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    q: Annotated[wire.Text | None, Query(max_length=200)] = None,
    archived: bool = False,
) -> wire.ConversationPage:
    """List conversations, newest first; with `q`, those whose title or messages have these words."""
    found, following = await runtime.ledger.conversations.list(
        person, cursor=cursor, limit=limit, archived=archived, query=q
    )
    return wire.ConversationPage(data=[wire_conversation(c) for c in found], next_cursor=following)


@router.get("/{conversation_id}")
async def get(conversation_id: str, runtime: Runtimes, person: PersonId) -> wire.Conversation:
    """Return one conversation."""
    return wire_conversation(await runtime.ledger.conversations.get(person, conversation_id))


@router.patch("/{conversation_id}")
async def change(
    conversation_id: str, body: wire.ConversationChange, runtime: Runtimes, person: PersonId
) -> wire.Conversation:
    """Rename or archive a conversation."""
    changed = await runtime.ledger.conversations.update(
        person, conversation_id, title=body.title, archived=body.archived
    )
    return wire_conversation(changed)


@router.delete("/{conversation_id}")
async def delete(conversation_id: str, runtime: Runtimes, person: PersonId, dry_run: bool = False) -> wire.Receipt:
    """Delete a conversation with what was learned from nothing else; a running reply of it is stopped first."""
    return await forget(runtime, person, Target("conversation", (conversation_id,)), dry_run=dry_run)
