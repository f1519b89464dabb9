from datetime import UTC, datetime

import pytest

from memory.errors import NotFoundError
from memory.ledger.ledger import Ledger
from memory.types import Conversation, Evidence, Message, NewTraitEvidence, Person, Reflection, Trait
from tests.fakes.say import Say

AT = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 2, 1, tzinfo=UTC)
OPEN, N = Trait.OPENNESS, Trait.NEUROTICISM


def observed(message: Message, trait: Trait) -> NewTraitEvidence:
    return NewTraitEvidence(trait, 1, 0.5, Evidence(message.id, message.text), AT)


async def learn(ledger: Ledger, person: Person, conversation: Conversation, *traits: NewTraitEvidence) -> None:
    await ledger.jobs.enqueue(person.id, "reflect", {"conversation_id": conversation.id})
    job = await ledger.jobs.claim("w", 60)
    assert job is not None
    await ledger.reflections.keep(job, "w", conversation.id, Reflection(traits=traits))
    await ledger.jobs.done(job.id)


async def test_a_trait_stands_still_from_the_first_time_on(ledger: Ledger, person: Person, stranger: Person) -> None:
    assert await ledger.trait_controls.frozen(person.id) == {}
    await ledger.trait_controls.freeze(person.id, N, AT)
    await ledger.trait_controls.freeze(person.id, N, LATER)
    assert await ledger.trait_controls.frozen(person.id) == {N: AT}
    assert await ledger.trait_controls.frozen(stranger.id) == {}
    await ledger.trait_controls.unfreeze(person.id, N)
    assert await ledger.trait_controls.frozen(person.id) == {}


async def test_what_was_withdrawn_is_not_learnt_again_from_the_same_messages(
    ledger: Ledger, person: Person, conversation: Conversation, say: Say
) -> None:
    before = await say("I worry and I paint")
    await learn(ledger, person, conversation, observed(before, N), observed(before, OPEN))
    assert await ledger.trait_controls.withdraw(person.id, [N]) == 1
    assert [one.trait for one in await ledger.traits.list(person.id)] == [OPEN]
    await learn(ledger, person, conversation, observed(before, N))
    assert [one.trait for one in await ledger.traits.list(person.id)] == [OPEN]
    after = await say("I worry again")
    await learn(ledger, person, conversation, observed(after, N))
    assert [one.trait for one in await ledger.traits.list(person.id)] == [OPEN, N]


async def test_withdrawing_touches_nobody_else(
    ledger: Ledger, person: Person, stranger: Person, conversation: Conversation, say: Say
) -> None:
    said = await say("I paint")
    await learn(ledger, person, conversation, observed(said, OPEN))
    assert await ledger.trait_controls.withdraw(stranger.id, list(Trait)) == 0
    assert await ledger.traits.count(person.id) == 1


async def test_what_a_person_tells_reads_back(ledger: Ledger, person: Person) -> None:
    told = await ledger.traits.tell(person.id, [(OPEN, 1, 0.5), (N, -1, 0.25)], "questionnaire", "mini-ipip-20", AT)
    assert [(one.trait, one.direction, one.strength, one.source, one.item) for one in told] == [
        (OPEN, 1, 0.5, "questionnaire", "mini-ipip-20"),
        (N, -1, 0.25, "questionnaire", "mini-ipip-20"),
    ]
    assert await ledger.traits.list(person.id) == told


async def test_an_unknown_person_decides_nothing(ledger: Ledger) -> None:
    for call in (
        ledger.trait_controls.freeze("per_nobody", N, AT),
        ledger.trait_controls.unfreeze("per_nobody", N),
        ledger.trait_controls.withdraw("per_nobody", [N]),
        ledger.traits.tell("per_nobody", [(N, 1, 0.5)], "correction", "level", AT),
    ):
        with pytest.raises(NotFoundError):
            await call
