import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from memory.config import MemoryConfig
from memory.errors import ConflictError
from memory.ledger.ledger import Ledger
from memory.types import Conversation, Person
from tests.fakes.say import Say


async def test_one_submission_made_32_times_at_once_is_one_message_and_one_job(
    ledger: Ledger, person: Person, conversation: Conversation
) -> None:
    results = await asyncio.gather(
        *(
            ledger.messages.append(
                person.id, conversation.id, "user", "hello", client_message_id="c1", jobs=[("reflect", {})]
            )
            for _ in range(32)
        )
    )
    assert sum(result.created for result in results) == 1
    assert len({result.message.id for result in results}) == 1
    assert len(await ledger.messages.recent(person.id, conversation.id)) == 1
    assert (await ledger.jobs.counts())["pending"] == 1
    found = await ledger.messages.find_client_message(person.id, conversation.id, "c1")
    assert found == results[0].message
    assert await ledger.messages.find_client_message(person.id, conversation.id, "c2") is None


async def test_two_openings_of_one_ledger_store_a_submission_once(
    ledger: Ledger, memory_config: MemoryConfig, person: Person, conversation: Conversation
) -> None:
    async with Ledger.open(memory_config) as second:
        results = await asyncio.gather(
            *(
                one.messages.append(person.id, conversation.id, "user", f"hello {n}", client_message_id=f"c{n}")
                for n in range(10)
                for one in (ledger, second)
            )
        )
    assert sum(result.created for result in results) == 10
    assert len(await ledger.messages.recent(person.id, conversation.id)) == 10


async def test_the_same_name_in_another_conversation_is_another_submission(
    ledger: Ledger, person: Person, say: Say
) -> None:
    await say("hello", client_message_id="c1")
    other = await ledger.conversations.create(person.id)
    assert (await ledger.messages.append(person.id, other.id, "user", "hello", client_message_id="c1")).created


async def test_a_name_used_for_other_words_is_a_conflict(say: Say) -> None:
    await say("hello", client_message_id="c1")
    with pytest.raises(ConflictError, match="choose another"):
        await say("goodbye", client_message_id="c1")


async def test_the_same_words_within_the_window_are_found_if_they_were_the_newest(
    ledger: Ledger, person: Person, conversation: Conversation, say: Say
) -> None:
    said = await say("yes")
    now = datetime.now(UTC)

    async def find(text: str, since: datetime) -> object:
        return await ledger.messages.find_recent_same(person.id, conversation.id, text, since)

    assert await find("yes", now - timedelta(minutes=1)) == said
    assert await find("Yes", now - timedelta(minutes=1)) is None
    assert await find("yes", now + timedelta(minutes=1)) is None
    await ledger.messages.append(person.id, conversation.id, "assistant", "yes")
    assert await find("yes", now - timedelta(minutes=1)) == said
    await say("no")
    assert await find("yes", now - timedelta(minutes=1)) is None


async def test_the_same_words_at_once_are_one_message_when_asked_for(
    ledger: Ledger, person: Person, conversation: Conversation
) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    results = await asyncio.gather(
        *(ledger.messages.append(person.id, conversation.id, "user", "hello", same_since=since) for _ in range(16))
    )
    assert sum(result.created for result in results) == 1
    assert (await ledger.messages.append(person.id, conversation.id, "user", "hello")).created


async def test_a_submission_is_found_by_its_name_in_any_conversation_of_its_person_only(
    ledger: Ledger, person: Person, stranger: Person, conversation: Conversation, say: Say
) -> None:
    said = await say("hello", client_message_id="c1")
    assert await ledger.messages.find_client_message(person.id, None, "c1") == said
    assert await ledger.messages.find_client_message(person.id, None, "c2") is None
    assert await ledger.messages.find_client_message(stranger.id, None, "c1") is None
