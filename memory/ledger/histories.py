"""Whole conversations from elsewhere: stored with their messages and jobs at once, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, select

from memory.database import Database
from memory.errors import ConflictError, NotFoundError
from memory.ledger import tables
from memory.ledger.conversations import get_conversation
from memory.ledger.insert import insert_new
from memory.ledger.jobs import insert_job
from memory.ledger.messages import JobRequest, title_of
from memory.types import Conversation, Message


class Histories:
    """Conversations that took place before."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, conversation: Conversation, messages: Sequence[Message], jobs: Sequence[JobRequest]) -> bool:
        """Store a conversation with all its messages, oldest first, and its jobs in one transaction.

        Returns False, and writes nothing, when this person's conversation of that id is there already: so an import
        that was cut short can simply run again. An empty title becomes the beginning of what the person said first.

        Raises:
            NotFoundError: there is no such person, or the id is that of somebody else's conversation.
            ConflictError: a message is of another conversation, or its id is taken.
        """
        if any((one.conversation_id, one.person_id) != (conversation.id, conversation.person_id) for one in messages):
            raise ConflictError(f"a message to be stored with conversation {conversation.id!r} belongs to another")
        values = {name: getattr(conversation, name) for name in Conversation.__slots__}
        first = next((message.text for message in messages if message.role == "user"), "")
        values["title"] = conversation.title or title_of(first)
        async with self._database.writing() as connection:
            person = select(tables.users.c.id).where(tables.users.c.id == conversation.person_id)
            if (await connection.execute(person)).first() is None:
                raise NotFoundError("person", conversation.person_id)
            if not await insert_new(connection, tables.conversations, values):
                await get_conversation(connection, conversation.person_id, conversation.id)
                return False
            if messages:
                rows = [{name: getattr(message, name) for name in Message.__slots__} for message in messages]
                await connection.execute(insert(tables.messages), rows)
            for kind, payload in jobs:
                await insert_job(connection, conversation.person_id, kind, payload)
        return True
