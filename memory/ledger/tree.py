"""The tree of a conversation's messages, read inside a transaction: the newest leaf, the path to it, what hangs below.

A message is always stored after its parent, so the one stored last is a leaf, and along a path the sequence increases.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Row, Select, bindparam, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.errors import ConflictError, NotFoundError
from memory.ledger import tables
from memory.ledger.page import InvalidCursorError, from_cursor
from memory.types import Message

_messages = tables.messages


def message_of(row: Row[Any]) -> Message:
    """Return a row of `messages` as the value it holds."""
    return Message(**{name: getattr(row, name) for name in Message.__slots__})


async def get_message(connection: AsyncConnection, person_id: str, message_id: str) -> Message:
    """Return a message of this person.

    Raises:
        NotFoundError: there is none of that id.
    """
    query = select(_messages).where(_messages.c.person_id == person_id, _messages.c.id == message_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("message", message_id)
    return message_of(row)


async def newest_leaf_id(connection: AsyncConnection, conversation_id: str) -> str | None:
    """Return the id of the message that was stored last; None while there is none."""
    query = select(_messages.c.id).where(_messages.c.conversation_id == conversation_id)
    return (await connection.execute(query.order_by(_messages.c.seq.desc()).limit(1))).scalar_one_or_none()


async def newest_leaf_below(connection: AsyncConnection, message: Message) -> str:
    """Return the id of what was stored last at or below a message, which is a leaf of its branch."""
    below = select(_messages.c.id, _messages.c.seq).where(_messages.c.id == message.id).cte("below", recursive=True)
    child = _messages.alias("child")
    hangs = (child.c.conversation_id == message.conversation_id) & (child.c.parent_id == below.c.id)
    below = below.union_all(select(child.c.id, child.c.seq).join(below, hangs))
    newest = select(below.c.id).order_by(below.c.seq.desc()).limit(1)
    return str((await connection.execute(newest)).scalar_one())


def variants_query(conversation_id: str, parent_ids: Collection[str | None]) -> Select[Any]:
    """Select id, parent and role of what hangs directly below any of the parents (None: the roots), oldest first."""
    columns = (_messages.c.id, _messages.c.parent_id, _messages.c.role)
    below: ColumnElement[bool] = _messages.c.parent_id.in_([id for id in parent_ids if id is not None])
    if None in parent_ids:
        below = or_(below, _messages.c.parent_id.is_(None))
    return select(*columns).where(_messages.c.conversation_id == conversation_id, below).order_by(_messages.c.seq)


Given = BindParameter[Any]
"""A value that is given when the query is run."""


def path_query(person_id: str | Given, leaf_id: str | Given, limit: int | Given | None = None) -> Select[Any]:
    """Select a message and its ancestors, oldest first; `limit` keeps the nearest."""
    mine = (_messages.c.person_id == person_id, _messages.c.id == leaf_id)
    leaf = select(_messages.c.seq, _messages.c.parent_id, literal(1).label("height")).where(*mine)
    up = leaf.cte("up", recursive=True)
    parent = _messages.alias("parent")
    step = select(parent.c.seq, parent.c.parent_id, up.c.height + 1).join(up, parent.c.id == up.c.parent_id)
    up = up.union_all(step if limit is None else step.where(up.c.height < limit))
    return select(_messages).join(up, up.c.seq == _messages.c.seq).order_by(_messages.c.seq)


# Made once: every turn reads its path, and to make the query takes as long as to run it.
_PATH = path_query(bindparam("person_id"), bindparam("leaf_id"), bindparam("limit"))


async def read_path(connection: AsyncConnection, person_id: str, leaf_id: str, limit: int) -> list[Message]:
    """Return a message and its nearest ancestors, oldest first, `limit` in all."""
    rows = await connection.execute(_PATH, {"person_id": person_id, "leaf_id": leaf_id, "limit": limit})
    return [message_of(row) for row in rows]


def children_query(parent: Message) -> Select[Any]:
    """Select what hangs directly below a message, oldest first."""
    below = (_messages.c.conversation_id == parent.conversation_id, _messages.c.parent_id == parent.id)
    return select(_messages).where(*below).order_by(_messages.c.seq)


async def parent_for(
    connection: AsyncConnection, conversation_id: str, parent_id: str | None, as_root: bool
) -> str | None:
    """Return what a new message hangs below: the named parent, else the newest leaf, or nothing for a root.

    Raises:
        NotFoundError: the parent is not of this conversation.
        ConflictError: a root was asked for and a parent named.
    """
    if as_root:
        if parent_id is not None:
            raise ConflictError("a root has no parent: pass as_root or parent_id, not both")
        return None
    if parent_id is None:
        return await newest_leaf_id(connection, conversation_id)
    mine = (_messages.c.conversation_id == conversation_id, _messages.c.id == parent_id)
    if (await connection.execute(select(_messages.c.id).where(*mine))).first() is None:
        raise NotFoundError("message", parent_id)
    return parent_id


async def place_of(connection: AsyncConnection, conversation_id: str, cursor: str) -> int:
    """Return the sequence number of the message that a cursor names.

    Raises:
        InvalidCursorError: it names none of this conversation.
    """
    return int((await _named(connection, conversation_id, cursor)).seq)


async def parent_named(connection: AsyncConnection, conversation_id: str, cursor: str) -> str | None:
    """Return the id of what stands before the message that a cursor names; None where that is a root.

    Raises:
        InvalidCursorError: it names none of this conversation.
    """
    return (await _named(connection, conversation_id, cursor)).parent_id  # type: ignore[no-any-return]


async def _named(connection: AsyncConnection, conversation_id: str, cursor: str) -> Row[Any, Any]:
    named = (_messages.c.conversation_id == conversation_id, _messages.c.id == from_cursor(cursor, 1)[0])
    row = (await connection.execute(select(_messages.c.seq, _messages.c.parent_id).where(*named))).one_or_none()
    if row is None:
        raise InvalidCursorError
    return row
