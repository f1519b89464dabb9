from typing import Any

import pytest

from memory.ledger.ledger import Ledger
from memory.types import Conversation, Message, Person
from tests.fakes.say import Say


@pytest.fixture
async def person(ledger: Ledger) -> Person:
    return await ledger.users.create("ada")


@pytest.fixture
async def stranger(ledger: Ledger) -> Person:
    return await ledger.users.create("bob")


@pytest.fixture
async def conversation(ledger: Ledger, person: Person) -> Conversation:
    return await ledger.conversations.create(person.id)


@pytest.fixture
def say(ledger: Ledger, person: Person, conversation: Conversation) -> Say:
    """Append a user message to the conversation."""

    async def append(text: str, **more: Any) -> Message:
        appended = await ledger.messages.append(person.id, conversation.id, "user", text, **more)
        return appended.message

    return append
