"""Conversations: created, listed newest first, renamed, archived, deleted with all that rests on them."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.database import Database
from memory.errors import ConflictError, NotFoundError
from memory.ids import new_id
from memory.ledger import tables
from memory.ledger.datasets import mark_resting_on
from memory.ledger.evidence import facts_resting_on, forget_unsupported
from memory.ledger.insert import insert_new
from memory.ledger.page import InvalidCursorError, from_cursor, to_cursor
from memory.types import Conversation

_conversations = tables.conversations
_messages = tables.messages


@dataclass(frozen=True, slots=True)
class DeletedConversation:
    """What went with a conversation."""

    id: str
    messages: int
    fact_ids: tuple[str, ...]
    """Facts that rested on nothing else; whoever keeps an index must drop them there too."""
    trait_evidence: int
    jobs: int
    """Jobs about it that had not begun or had ended."""


class Conversations:
    """The conversations of each person."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        person_id: str,
        title: str = "",
        incognito: bool = False,
        origin: str = "chat",
        synthetic_dates: bool = False,
        id: str | None = None,
        created_at: datetime | None = None,
    ) -> Conversation:
        """Create a conversation.

        Raises:
            NotFoundError: there is no such person.
            ConflictError: `id` is taken.
        """
        at = created_at or datetime.now(UTC)
        conversation = Conversation(
            id=id or new_id("conv"),
            person_id=person_id,
            title=title,
            created_at=at,
            updated_at=at,
            incognito=incognito,
            origin=origin,
            synthetic_dates=synthetic_dates,
        )
        values = {name: getattr(conversation, name) for name in Conversation.__slots__}
        async with self._database.writing() as connection:
            person = select(tables.users.c.id).where(tables.users.c.id == person_id)
            if (await connection.execute(person)).first() is None:
                raise NotFoundError("person", person_id)
            if not await insert_new(connection, _conversations, values):
                raise ConflictError(f"the conversation id {conversation.id!r} is taken")
        return conversation

    async def get(self, person_id: str, id: str) -> Conversation:
        """Return a conversation of this person.

        Raises:
            NotFoundError: there is none of that id.
        """
        async with self._database.reading() as connection:
            return await get_conversation(connection, person_id, id)

    async def list(
        self,
        person_id: str,
        cursor: str | None = None,
        limit: int = 50,
        archived: bool | None = False,
        query: str | None = None,
        incognito: bool | None = False,
    ) -> tuple[builtins.list[Conversation], str | None]:
        """Return a page of conversations, newest updated first, and the cursor of the next page.

        Args:
            person_id: Whose.
            cursor: Where the page begins; None for the first.
            limit: At most so many.
            archived: Whether those archived, or those not; None for both.
            query: Words that must stand, in this order, in the title or in a message.
            incognito: Whether those that are to leave nothing behind, or those not; None for both.

        Raises:
            InvalidCursorError: the cursor was not made by this list.
        """
        table = _conversations
        chosen = select(table).where(table.c.person_id == person_id)
        if archived is not None:
            chosen = chosen.where(table.c.archived.is_(archived))
        if incognito is not None:
            chosen = chosen.where(table.c.incognito.is_(incognito))
        if query:
            said = _messages.c.text.icontains(query, autoescape=True)
            in_messages = exists().where(
                _messages.c.person_id == person_id, _messages.c.conversation_id == table.c.id, said
            )
            chosen = chosen.where(or_(table.c.title.icontains(query, autoescape=True), in_messages))
        if cursor is not None:
            at, id = _read_cursor(cursor)
            chosen = chosen.where(or_(table.c.updated_at < at, and_(table.c.updated_at == at, table.c.id < id)))
        chosen = chosen.order_by(table.c.updated_at.desc(), table.c.id.desc()).limit(limit + 1)
        async with self._database.reading() as connection:
            rows = (await connection.execute(chosen)).all()
        page = [_conversation(row) for row in rows[:limit]]
        return page, to_cursor(page[-1].updated_at.isoformat(), page[-1].id) if len(rows) > limit else None

    async def update(
        self,
        person_id: str,
        id: str,
        title: str | None = None,
        archived: bool | None = None,
        incognito: bool | None = None,
    ) -> Conversation:
        """Change what is not None; the place in the list stays.

        Raises:
            NotFoundError: there is none of that id.
        """
        changes = {"title": title, "archived": archived, "incognito": incognito}
        changes = {name: value for name, value in changes.items() if value is not None}
        table = _conversations
        async with self._database.writing() as connection:
            if changes:
                mine = (table.c.person_id == person_id, table.c.id == id)
                await connection.execute(update(table).where(*mine).values(**changes))
            return await get_conversation(connection, person_id, id)

    async def set_thread(self, person_id: str, id: str, thread: str) -> None:
        """Note the key by which a client that keeps its history itself comes back to this conversation.

        Raises:
            NotFoundError: there is none of that id.
        """
        table = _conversations
        async with self._database.writing() as connection:
            mine = (table.c.person_id == person_id, table.c.id == id)
            result = await connection.execute(update(table).where(*mine).values(thread=thread))
            if result.rowcount == 0:
                raise NotFoundError("conversation", id)

    async def find_thread(self, person_id: str, thread: str) -> Conversation | None:
        """Return the conversation with this key, the newest updated if several have it."""
        table = _conversations
        query = select(table).where(table.c.person_id == person_id, table.c.thread == thread)
        query = query.order_by(table.c.updated_at.desc(), table.c.id.desc()).limit(1)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _conversation(row)

    async def all_incognito(self, idle_since: datetime | None = None) -> builtins.list[Conversation]:
        """Return everybody's incognito conversations, or only those unused since a time; the longest unused first."""
        table = _conversations
        query = select(table).where(table.c.incognito.is_(True)).order_by(table.c.updated_at, table.c.id)
        if idle_since is not None:
            query = query.where(table.c.updated_at < idle_since)
        async with self._database.reading() as connection:
            return [_conversation(row) for row in await connection.execute(query)]

    async def delete(self, person_id: str, id: str) -> DeletedConversation:
        """Delete a conversation, its messages and evidence, and the facts that rested on nothing else.

        Facts that the person edited by hand stay. The caller drops `fact_ids` from the index.

        Raises:
            NotFoundError: there is none of that id.
        """
        async with self._database.writing() as connection:
            await get_conversation(connection, person_id, id, lock=True)
            in_it = and_(_messages.c.person_id == person_id, _messages.c.conversation_id == id)
            messages = await _count(connection, _messages, in_it)
            traits = tables.trait_evidence
            its_traits = and_(traits.c.person_id == person_id, traits.c.conversation_id == id)
            trait_count = await _count(connection, traits, its_traits)
            resting = await facts_resting_on(connection, person_id, in_it)
            said = (await connection.execute(select(_messages.c.id).where(in_it))).scalars().all()
            await mark_resting_on(connection, person_id, said)
            jobs = tables.jobs
            its_jobs = and_(
                jobs.c.person_id == person_id,
                jobs.c.status != "running",
                jobs.c.payload["conversation_id"].as_string() == id,
            )
            job_count = (await connection.execute(delete(jobs).where(its_jobs))).rowcount
            table = _conversations
            await connection.execute(delete(table).where(table.c.person_id == person_id, table.c.id == id))
            forgotten = await forget_unsupported(connection, person_id, resting)
        return DeletedConversation(id, messages, forgotten, trait_count, job_count)


# Made once: every turn asks several times.
_ONE = select(_conversations).where(
    _conversations.c.person_id == bindparam("person_id"), _conversations.c.id == bindparam("id")
)
_ONE_LOCKED = _ONE.with_for_update(key_share=True)


async def get_conversation(connection: AsyncConnection, person_id: str, id: str, *, lock: bool = False) -> Conversation:
    """Return a conversation of this person inside a transaction, locked until its end if asked.

    Raises:
        NotFoundError: there is none of that id.
    """
    given = {"person_id": person_id, "id": id}
    row = (await connection.execute(_ONE_LOCKED if lock else _ONE, given)).one_or_none()
    if row is None:
        raise NotFoundError("conversation", id)
    return _conversation(row)


async def _count(connection: AsyncConnection, table: Any, where: Any) -> int:
    return int((await connection.execute(select(func.count()).select_from(table).where(where))).scalar_one())


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    at, id = from_cursor(cursor, 2)
    try:
        time = datetime.fromisoformat(at)
    except ValueError as error:
        raise InvalidCursorError from error
    if time.tzinfo is None:
        raise InvalidCursorError
    return time, id


def _conversation(row: Row[Any]) -> Conversation:
    return Conversation(**{name: getattr(row, name) for name in Conversation.__slots__})
