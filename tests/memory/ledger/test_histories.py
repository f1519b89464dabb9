from dataclasses import replace

import pytest

from memory.errors import ConflictError, LedgerError, NotFoundError
from memory.ids import derived_id, is_id, new_id
from memory.ledger.ledger import Ledger
from memory.types import Conversation, Message, Person
from tests.fakes.turns import NOON


def make(person: Person, id: str | None = None) -> tuple[Conversation, list[Message]]:
    conversation = Conversation(id or new_id("conv"), person.id, "", NOON, NOON, origin="import:test")
    first = Message(new_id("msg"), conversation.id, person.id, None, "user", "Hello there", NOON)
    return conversation, [first, replace(first, id=new_id("msg"), parent_id=first.id, role="assistant", text="Hi")]


async def test_a_history_is_stored_whole(ledger: Ledger) -> None:
    person = await ledger.users.create()
    conversation, messages = make(person)
    assert await ledger.histories.add(conversation, messages, [("reflect", {"n": 1})])
    assert await ledger.conversations.get(person.id, conversation.id) == replace(conversation, title="Hello there")
    assert await ledger.messages.list(person.id, conversation.id) == (messages, None)
    assert [job.payload for job in await ledger.jobs.list()] == [{"n": 1}]


async def test_a_history_that_is_there_is_left_as_it_is(ledger: Ledger) -> None:
    person = await ledger.users.create()
    conversation, messages = make(person)
    await ledger.histories.add(conversation, messages, [])
    again = make(person, conversation.id)
    assert not await ledger.histories.add(*again, [("reflect", {})])
    assert await ledger.messages.list(person.id, conversation.id) == (messages, None)
    assert await ledger.jobs.list() == []


async def test_somebody_elses_conversation_is_not_found(ledger: Ledger) -> None:
    person, other = await ledger.users.create(), await ledger.users.create()
    conversation, messages = make(person)
    await ledger.histories.add(conversation, messages, [])
    with pytest.raises(NotFoundError):
        await ledger.histories.add(*make(other, conversation.id), [])
    with pytest.raises(ConflictError):
        await ledger.histories.add(make(other)[0], messages, [])
    with pytest.raises(NotFoundError):
        await ledger.histories.add(*make(replace(person, id=new_id("per"))), [])


async def test_a_message_that_cannot_be_stored_leaves_nothing_behind(ledger: Ledger) -> None:
    person = await ledger.users.create()
    conversation, messages = make(person)
    with pytest.raises(LedgerError):
        await ledger.histories.add(conversation, [*messages, replace(messages[1], id=new_id("msg"), text="\0")], [])
    assert await ledger.conversations.list(person.id) == ([], None)


def test_a_derived_id_follows_from_its_parts() -> None:
    assert derived_id("conv", "a", "b") == derived_id("conv", "a", "b")
    assert len({derived_id("conv", *parts) for parts in (("a", "b"), ("ab", ""), ("b", "a"), ("a",))}) == 4
    assert is_id(derived_id("conv", "\ud800"), "conv")
