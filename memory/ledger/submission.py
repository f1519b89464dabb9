"""The same submission made twice: by the client's own name for it, or by the same words within a short time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.errors import ConflictError
from memory.ledger import tables
from memory.ledger.tree import message_of
from memory.types import Conversation, Message, Role

_messages = tables.messages


async def submitted_before(
    connection: AsyncConnection,
    conversation: Conversation,
    role: Role,
    text: str,
    client_message_id: str | None,
    same_since: datetime | None,
) -> Message | None:
    """Return the message that a submission repeats, or None when it is new.

    Raises:
        ConflictError: the client's name was used for other words.
    """
    if client_message_id is not None:
        before = await find_client_message(connection, conversation.id, client_message_id)
        if before is not None and (before.role, before.text) != (role, text):
            raise ConflictError(
                f"client_message_id {client_message_id!r} was used for other words in this conversation: choose another"
            )
        return before
    if same_since is not None and role == "user":
        return await find_recent_same(connection, conversation.id, text, same_since)
    return None


async def find_client_message(
    connection: AsyncConnection, conversation_id: str, client_message_id: str
) -> Message | None:
    """Return the message that the client submitted under this name."""
    query = select(_messages).where(
        _messages.c.conversation_id == conversation_id, _messages.c.client_message_id == client_message_id
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else message_of(row)


async def find_client_message_anywhere(
    connection: AsyncConnection, person_id: str, client_message_id: str
) -> Message | None:
    """Return the newest message that the client submitted under this name in any conversation of this person."""
    mine = (_messages.c.person_id == person_id, _messages.c.client_message_id == client_message_id)
    query = select(_messages).where(*mine).order_by(_messages.c.seq.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else message_of(row)


async def find_recent_same(
    connection: AsyncConnection, conversation_id: str, text: str, since: datetime
) -> Message | None:
    """Return the conversation's newest user message if it has this text and is not older than `since`."""
    mine = (_messages.c.conversation_id == conversation_id, _messages.c.role == "user")
    query = select(_messages).where(*mine).order_by(_messages.c.seq.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return message_of(row) if row is not None and row.text == text and row.created_at >= since else None
