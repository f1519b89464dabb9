from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.ledger.ledger import Ledger
from memory.persona.beliefs import Beliefs
from memory.persona.profile import persona
from memory.types import Evidence, NewTraitEvidence, Trait

NOW = datetime(2026, 3, 1, tzinfo=UTC)


async def observed(
    ledger: Ledger, person: str, conversation: str, trait: Trait, direction: int, strength: float
) -> str:
    message = (await ledger.messages.append(person, conversation, "user", "I said so.")).message.id
    new = NewTraitEvidence(trait, 1 if direction > 0 else -1, strength, Evidence(message, "I said so."), NOW)
    await ledger.traits.add(person, conversation, new)
    return message


steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(list(Trait)), st.sampled_from([-1, 1]), st.floats(0, 1)),
        st.integers(0, 20),
        st.sampled_from(list(Trait)),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
async def test_after_any_steps_the_kept_belief_is_that_of_all_evidence(
    ledger: Ledger, steps: list[tuple[Trait, int, float] | int | Trait]
) -> None:
    person = (await ledger.users.create()).id
    conversation = (await ledger.conversations.create(person)).id
    beliefs, forgetful, messages = Beliefs(ledger), Beliefs(ledger, kept=0), []
    for step in steps:
        if isinstance(step, tuple):
            messages.append(await observed(ledger, person, conversation, *step))
        elif isinstance(step, Trait):
            await ledger.trait_controls.freeze(person, step, NOW)
        elif messages:
            await ledger.traits.delete_for_message(person, messages[step % len(messages)])
        expected = persona(await ledger.traits.list(person), NOW, frozen=await ledger.trait_controls.frozen(person))
        assert await beliefs.persona(person, NOW) == expected == await forgetful.persona(person, NOW)


async def test_people_do_not_share_a_belief(ledger: Ledger) -> None:
    beliefs = Beliefs(ledger)
    people = [(await ledger.users.create()).id for _ in range(2)]
    conversation = (await ledger.conversations.create(people[0])).id
    await observed(ledger, people[0], conversation, Trait.OPENNESS, 1, 1.0)
    known, other = [(await beliefs.persona(person, NOW)).estimates[Trait.OPENNESS] for person in people]
    assert known.evidence_count == 1
    assert (other.mean, other.evidence_count) == (50, 0)


async def test_no_quote_is_kept(ledger: Ledger) -> None:
    beliefs = Beliefs(ledger)
    person = (await ledger.users.create()).id
    conversation = (await ledger.conversations.create(person)).id
    await observed(ledger, person, conversation, Trait.OPENNESS, 1, 1.0)
    known = await beliefs._current(person)
    assert [piece.evidence.quote for piece in known.posterior.pieces] == [""]
