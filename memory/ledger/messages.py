"""Messages: a tree in every conversation; replies, regenerations and edits hang below their parent.

What was appended last is always a leaf, and the path from the root to it is the conversation as it stands. A message
and the jobs it causes are committed together; a client's message id is committed once.
"""

from __future__ import annotations

import builtins
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.database import Database
from memory.errors import ConflictError, NotFoundError
from memory.ids import new_id
from memory.ledger import tables
from memory.ledger.conversations import get_conversation
from memory.ledger.evidence import chunks
from memory.ledger.insert import insert_new
from memory.ledger.jobs import insert_job
from memory.ledger.page import to_cursor
from memory.ledger.submission import (
    find_client_message,
    find_client_message_anywhere,
    find_recent_same,
    submitted_before,
)
from memory.ledger.tree import (
    children_query,
    get_message,
    message_of,
    newest_leaf_below,
    newest_leaf_id,
    parent_for,
    parent_named,
    path_query,
    place_of,
    read_path,
    variants_query,
)
from memory.types import Conversation, CrisisLevel, Message, MessageStatus, Role

JobRequest = tuple[str, Mapping[str, Any]]
"""The kind and the payload of a job to enqueue with a message."""

_TITLE_CHARS = 60
_messages = tables.messages


@dataclass(frozen=True, slots=True)
class Appended:
    """A message that is stored, and whether this call stored it."""

    message: Message
    created: bool
    """False when the same submission had been stored before; nothing was written and no job enqueued then."""


class Messages:
    """The messages of each person."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(
        self,
        person_id: str,
        conversation_id: str,
        role: Role,
        text: str,
        parent_id: str | None = None,
        status: MessageStatus = "complete",
        client_message_id: str | None = None,
        created_at: datetime | None = None,
        explanation: Mapping[str, Any] | None = None,
        crisis_level: CrisisLevel | None = None,
        *,
        id: str | None = None,
        as_root: bool = False,
        same_since: datetime | None = None,
        jobs: Sequence[JobRequest] = (),
    ) -> Appended:
        """Store a message and its jobs in one transaction.

        Args:
            person_id: Whose.
            conversation_id: Where.
            role: Who speaks.
            text: The words.
            parent_id: What it answers or continues; None means the newest leaf.
            status: Whether the text is whole.
            client_message_id: The client's own name for the submission; the second of that name is the first.
            created_at: When it was said, for imported history; None means now.
            explanation: Of a reply, what explains it.
            crisis_level: Of a person's message, once screened.
            id: An id made before with `new_id("msg")`, where jobs must name it.
            as_root: Begin a new root, as editing the first message does; `parent_id` must be None.
            same_since: If the conversation's newest user message has the same text and is not older than this, it
                is the same submission.
            jobs: What to enqueue with it.

        Raises:
            NotFoundError: the conversation is not this person's, or the parent not of this conversation.
            ConflictError: the client's message id was used for other words, or `id` is taken.
        """
        async with self._database.writing() as connection:
            conversation = await get_conversation(connection, person_id, conversation_id, lock=True)
            before = await submitted_before(connection, conversation, role, text, client_message_id, same_since)
            if before is not None:
                return Appended(before, created=False)
            message = Message(
                id=id or new_id("msg"),
                conversation_id=conversation_id,
                person_id=person_id,
                parent_id=await parent_for(connection, conversation_id, parent_id, as_root),
                role=role,
                text=text,
                created_at=created_at or datetime.now(UTC),
                status=status,
                client_message_id=client_message_id,
                crisis_level=crisis_level,
                explanation=explanation,
            )
            if not await insert_new(
                connection, _messages, {name: getattr(message, name) for name in Message.__slots__}
            ):
                raise ConflictError(f"the message id {message.id!r} is taken")
            await _touch(connection, conversation, message)
            for kind, payload in jobs:
                await insert_job(connection, person_id, kind, payload)
        return Appended(message, created=True)

    async def finish(
        self,
        person_id: str,
        message_id: str,
        text: str,
        status: MessageStatus = "complete",
        explanation: Mapping[str, Any] | None = None,
        *,
        jobs: Sequence[JobRequest] = (),
    ) -> Message:
        """Put the final words in place of a message's words so far; an explanation of None leaves the one it has.

        Raises:
            NotFoundError: the message is not this person's.
        """
        changes: dict[str, Any] = {"text": text, "status": status}
        if explanation is not None:
            changes["explanation"] = explanation
        async with self._database.writing() as connection:
            await _change(connection, person_id, message_id, changes)
            for kind, payload in jobs:
                await insert_job(connection, person_id, kind, payload)
            return await get_message(connection, person_id, message_id)

    async def set_crisis_level(self, person_id: str, message_id: str, level: CrisisLevel) -> Message:
        """Note how a person's message was screened.

        Raises:
            NotFoundError: the message is not this person's.
        """
        async with self._database.writing() as connection:
            await _change(connection, person_id, message_id, {"crisis_level": level})
            return await get_message(connection, person_id, message_id)

    async def get(self, person_id: str, message_id: str) -> Message:
        """Return a message.

        Raises:
            NotFoundError: it is not this person's.
        """
        async with self._database.reading() as connection:
            return await get_message(connection, person_id, message_id)

    async def list(
        self,
        person_id: str,
        conversation_id: str,
        after: str | None = None,
        limit: int = 100,
        leaf: str | None = None,
    ) -> tuple[builtins.list[Message], str | None]:
        """Return a page of the conversation as it stands, oldest first, and the cursor of the next page.

        With `leaf`, any message of it, return the branch through that message, down to what was said last there.

        Raises:
            NotFoundError: the conversation is not this person's, or `leaf` not of this conversation.
            InvalidCursorError: `after` is no cursor of such a list.
        """
        async with self._database.reading() as connection:
            await get_conversation(connection, person_id, conversation_id)
            end = await _end_of(connection, person_id, conversation_id, leaf)
            if end is None:
                return [], None
            query = path_query(person_id, end).limit(limit + 1)
            if after is not None:
                query = query.where(_messages.c.seq > await place_of(connection, conversation_id, after))
            rows = (await connection.execute(query)).all()
        page = [message_of(row) for row in rows[:limit]]
        return page, to_cursor(page[-1].id) if len(rows) > limit else None

    async def before(
        self,
        person_id: str,
        conversation_id: str,
        cursor: str | None = None,
        limit: int = 100,
        leaf: str | None = None,
    ) -> tuple[builtins.list[Message], str | None]:
        """Return the end of the conversation as it stands, oldest first, and the cursor of the page before it.

        With that cursor, return the page before, on the same branch. It costs its own length only.

        Raises:
            NotFoundError: as `list`.
            InvalidCursorError: `cursor` is no cursor of such a list.
        """
        async with self._database.reading() as connection:
            await get_conversation(connection, person_id, conversation_id)
            if cursor is None:
                end = await _end_of(connection, person_id, conversation_id, leaf)
            else:
                end = await parent_named(connection, conversation_id, cursor)
            page = [] if end is None else await read_path(connection, person_id, end, limit + 1)
        shown = page[-limit:]
        return shown, to_cursor(shown[0].id) if len(page) > limit else None

    async def recent(self, person_id: str, conversation_id: str, limit: int = 100) -> builtins.list[Message]:
        """Return the end of the conversation as it stands, oldest first.

        Raises:
            NotFoundError: the conversation is not this person's.
        """
        async with self._database.reading() as connection:
            await get_conversation(connection, person_id, conversation_id)
            leaf = await newest_leaf_id(connection, conversation_id)
            return [] if leaf is None else await read_path(connection, person_id, leaf, limit)

    async def path(self, person_id: str, leaf_id: str, limit: int = 100) -> builtins.list[Message]:
        """Return a message and what led to it, oldest first; `limit` keeps the newest.

        Raises:
            NotFoundError: the message is not this person's.
        """
        async with self._database.reading() as connection:
            await get_message(connection, person_id, leaf_id)
            return await read_path(connection, person_id, leaf_id, limit)

    async def children(self, person_id: str, message_id: str) -> builtins.list[Message]:
        """Return what hangs below a message, oldest first: the variants of its reply, or of what was said next.

        Raises:
            NotFoundError: the message is not this person's.
        """
        async with self._database.reading() as connection:
            parent = await get_message(connection, person_id, message_id)
            query = children_query(parent)
            return [message_of(row) for row in await connection.execute(query)]

    async def variants(self, person_id: str, messages: Sequence[Message]) -> Mapping[str, tuple[str, ...]]:
        """Return for each of these messages of one conversation the ids of its variants, itself among them.

        Variants are the messages of one role below one parent, oldest first.
        """
        found: defaultdict[tuple[str | None, str], builtins.list[str]] = defaultdict(list)
        mine = [message for message in messages if message.person_id == person_id]
        async with self._database.reading() as connection:
            for part in chunks(sorted({message.parent_id or "" for message in mine})):
                query = variants_query(mine[0].conversation_id, [id or None for id in part])
                for row in await connection.execute(query.where(_messages.c.person_id == person_id)):
                    found[row.parent_id, row.role].append(row.id)
        return {message.id: tuple(found[message.parent_id, message.role]) for message in mine}

    async def reply_to(self, person_id: str, message_id: str) -> Message | None:
        """Return the newest reply to a message, or None while there is none.

        Raises:
            NotFoundError: the message is not this person's.
        """
        replies = [child for child in await self.children(person_id, message_id) if child.role == "assistant"]
        return replies[-1] if replies else None

    async def find_client_message(
        self, person_id: str, conversation_id: str | None, client_message_id: str
    ) -> Message | None:
        """Return the message that the client submitted under this name, if it is stored; None looks everywhere.

        Raises:
            NotFoundError: the conversation is not this person's.
        """
        async with self._database.reading() as connection:
            if conversation_id is None:
                return await find_client_message_anywhere(connection, person_id, client_message_id)
            await get_conversation(connection, person_id, conversation_id)
            return await find_client_message(connection, conversation_id, client_message_id)

    async def find_recent_same(
        self, person_id: str, conversation_id: str, text: str, since: datetime
    ) -> Message | None:
        """Return the conversation's newest user message if it has this text and is not older than `since`.

        Raises:
            NotFoundError: the conversation is not this person's.
        """
        async with self._database.reading() as connection:
            await get_conversation(connection, person_id, conversation_id)
            return await find_recent_same(connection, conversation_id, text, since)

    async def unanswered(self, person_id: str | None = None) -> builtins.list[Message]:
        """Return the user messages without any reply, oldest first, of one person or of everybody."""
        reply = _messages.alias("reply")
        answered = exists().where(
            reply.c.conversation_id == _messages.c.conversation_id,
            reply.c.parent_id == _messages.c.id,
            reply.c.role == "assistant",
        )
        query = select(_messages).where(_messages.c.role == "user", ~answered).order_by(_messages.c.seq)
        if person_id is not None:
            query = query.where(_messages.c.person_id == person_id)
        async with self._database.reading() as connection:
            return [message_of(row) for row in await connection.execute(query)]


async def _end_of(connection: AsyncConnection, person_id: str, conversation_id: str, leaf: str | None) -> str | None:
    if leaf is None:
        return await newest_leaf_id(connection, conversation_id)
    message = await get_message(connection, person_id, leaf)
    if message.conversation_id != conversation_id:
        raise NotFoundError("message", leaf)
    return await newest_leaf_below(connection, message)


async def _touch(connection: AsyncConnection, conversation: Conversation, message: Message) -> None:
    changes: dict[str, Any] = {"updated_at": max(conversation.updated_at, message.created_at)}
    if not conversation.title and message.role == "user":
        changes["title"] = title_of(message.text)
    table = tables.conversations
    await connection.execute(update(table).where(table.c.id == conversation.id).values(**changes))


def title_of(text: str) -> str:
    """Return the beginning of a message as a title of one line."""
    line = " ".join(text.split())
    if len(line) <= _TITLE_CHARS:
        return line
    cut = line[: _TITLE_CHARS - 1]
    at_word = cut.rsplit(" ", 1)[0]
    return (at_word if len(at_word) > _TITLE_CHARS // 2 else cut) + "…"


async def _change(connection: AsyncConnection, person_id: str, message_id: str, changes: Mapping[str, Any]) -> None:
    mine = (_messages.c.person_id == person_id, _messages.c.id == message_id)
    if (await connection.execute(update(_messages).where(*mine).values(**changes))).rowcount == 0:
        raise NotFoundError("message", message_id)
