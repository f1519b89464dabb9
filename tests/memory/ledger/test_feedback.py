import pytest

from memory.errors import ConflictError, NotFoundError
from memory.ledger.ledger import Ledger
from memory.types import Conversation, Message, Person


@pytest.fixture
async def reply(ledger: Ledger, person: Person, conversation: Conversation) -> Message:
    await ledger.messages.append(person.id, conversation.id, "user", "hi")
    return (await ledger.messages.append(person.id, conversation.id, "assistant", "hello")).message


async def test_the_newest_opinion_of_a_reply_counts(ledger: Ledger, person: Person, reply: Message) -> None:
    first = await ledger.feedback.put(person.id, reply.id, "up", "kind")
    second = await ledger.feedback.put(person.id, reply.id, "down", better="Good morning")
    assert (second.rating, second.reason, second.better) == ("down", None, "Good morning")
    assert second.created_at == first.created_at <= second.updated_at
    assert await ledger.feedback.get(person.id, reply.id) == second
    assert await ledger.feedback.list(person.id) == [second]
    assert await ledger.feedback.delete(person.id, reply.id)
    assert not await ledger.feedback.delete(person.id, reply.id)


async def test_feedback_is_about_ones_own_replies_only(
    ledger: Ledger, person: Person, stranger: Person, reply: Message
) -> None:
    with pytest.raises(NotFoundError):
        await ledger.feedback.put(stranger.id, reply.id, "down")
    with pytest.raises(ConflictError, match="not a reply"):
        await ledger.feedback.put(person.id, reply.parent_id or "", "up")
    await ledger.feedback.put(person.id, reply.id, "up")
    assert await ledger.feedback.get(stranger.id, reply.id) is None
    assert not await ledger.feedback.delete(stranger.id, reply.id)


async def test_the_opinions_on_many_messages_come_by_message(
    ledger: Ledger, person: Person, conversation: Conversation
) -> None:
    replies = [
        (await ledger.messages.append(person.id, conversation.id, "assistant", "x")).message.id for _ in range(3)
    ]
    await ledger.feedback.put(person.id, replies[0], "up")
    await ledger.feedback.put(person.id, replies[2], "down", "cold")
    found = await ledger.feedback.many(person.id, replies)
    assert {id: opinion.rating for id, opinion in found.items()} == {replies[0]: "up", replies[2]: "down"}
    assert await ledger.feedback.many(person.id, []) == {}
