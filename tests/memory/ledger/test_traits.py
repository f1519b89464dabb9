import asyncio
from datetime import UTC, datetime

import pytest

from memory.errors import LedgerError, NotFoundError
from memory.ledger.ledger import Ledger
from memory.types import Conversation, Evidence, Message, NewTraitEvidence, Person, Trait
from tests.fakes.say import Say

AT = datetime(2026, 1, 1, tzinfo=UTC)


def observed(message: Message, trait: Trait = Trait.OPENNESS, strength: float = 0.5) -> NewTraitEvidence:
    return NewTraitEvidence(trait, 1, strength, Evidence(message.id, message.text), AT, "E1", "model")


async def test_an_observation_reads_back_as_it_was_added(
    ledger: Ledger, person: Person, conversation: Conversation, say: Say
) -> None:
    said = await say("I paint")
    added = await ledger.traits.add(person.id, conversation.id, observed(said))
    assert (added.person_id, added.conversation_id, added.evidence) == (
        person.id,
        conversation.id,
        Evidence(said.id, "I paint"),
    )
    assert (added.trait, added.direction, added.strength, added.item, added.source, added.observed_at) == (
        Trait.OPENNESS,
        1,
        0.5,
        "E1",
        "model",
        AT,
    )
    assert await ledger.traits.list(person.id) == [added]
    assert await ledger.traits.count(person.id) == 1


async def test_the_same_observation_at_once_and_again_counts_once(
    ledger: Ledger, person: Person, conversation: Conversation, say: Say
) -> None:
    said = await say("I paint")
    added = await asyncio.gather(*(ledger.traits.add(person.id, conversation.id, observed(said)) for _ in range(16)))
    assert len(set(added)) == 1
    await ledger.traits.add(person.id, conversation.id, observed(said, Trait.EXTRAVERSION))
    assert await ledger.traits.count(person.id) == 2


async def test_the_message_must_be_of_the_conversation_and_both_the_persons(
    ledger: Ledger, person: Person, stranger: Person, conversation: Conversation, say: Say
) -> None:
    said = await say("I paint")
    elsewhere = await ledger.conversations.create(person.id)
    theirs = await ledger.conversations.create(stranger.id)
    for owner, place in ((person, elsewhere), (stranger, conversation), (stranger, theirs), (person, theirs)):
        with pytest.raises(NotFoundError):
            await ledger.traits.add(owner.id, place.id, observed(said))
    with pytest.raises(LedgerError, match="strength"):
        await ledger.traits.add(person.id, conversation.id, observed(said, strength=1.5))
    assert await ledger.traits.list(person.id) == await ledger.traits.list(stranger.id) == []


async def test_what_a_message_showed_can_be_withdrawn_by_its_person_only(
    ledger: Ledger, person: Person, stranger: Person, conversation: Conversation, say: Say
) -> None:
    first, second = await say("I paint"), await say("I sing")
    for said in (first, second):
        await ledger.traits.add(person.id, conversation.id, observed(said))
    assert await ledger.traits.delete_for_message(stranger.id, first.id) == 0
    assert await ledger.traits.delete_all(stranger.id) == 0
    assert await ledger.traits.delete_for_message(person.id, first.id) == 1
    assert [one.evidence.message_id for one in await ledger.traits.list(person.id)] == [second.id]
    assert await ledger.traits.delete_all(person.id) == 1
