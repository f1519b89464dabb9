from dataclasses import replace

import pytest

from memory.errors import NotFoundError
from memory.ledger.ledger import Ledger
from memory.ledger.reflections import JobLostError
from memory.types import Evidence, Job, Kind, NewFact, NewTraitEvidence, Reflection, Trait
from tests.fakes.turns import NOON


async def begin(ledger: Ledger) -> tuple[Job, str, Reflection]:
    """A claimed job, its conversation, and what it found."""
    person = await ledger.users.create()
    conversation = await ledger.conversations.create(person.id)
    said = (await ledger.messages.append(person.id, conversation.id, "user", "I am a calm nurse")).message
    await ledger.jobs.enqueue(person.id, "reflect", {"conversation_id": conversation.id})
    job = await ledger.jobs.claim("w1", 60)
    assert job is not None
    evidence = Evidence(said.id, "a calm nurse")
    fact = NewFact("Is a nurse", Kind.BACKGROUND, 0.9, "stated", (evidence,), NOON)
    trait = NewTraitEvidence(Trait.NEUROTICISM, -1, 0.5, evidence, NOON)
    return job, conversation.id, Reflection((fact, replace(fact, text="Is calm")), (trait,))


async def test_what_was_found_is_kept_with_a_note_on_the_job(ledger: Ledger) -> None:
    job, conversation_id, reflection = await begin(ledger)
    facts = await ledger.reflections.keep(job, "w1", conversation_id, reflection)
    assert [fact.text for fact in facts] == ["Is a nurse", "Is calm"]
    noted = await ledger.jobs.get(job.id)
    assert noted.payload == {"conversation_id": conversation_id, "fact_ids": [fact.id for fact in facts]}
    await ledger.reflections.keep(job, "w1", conversation_id, reflection)
    assert await ledger.facts.count(job.person_id) == 2
    assert await ledger.traits.count(job.person_id) == 1


async def test_a_worker_that_lost_the_job_keeps_nothing(ledger: Ledger) -> None:
    job, conversation_id, reflection = await begin(ledger)
    with pytest.raises(JobLostError):
        await ledger.reflections.keep(job, "w2", conversation_id, reflection)
    await ledger.jobs.release_all("w1")
    with pytest.raises(JobLostError):
        await ledger.reflections.keep(job, "w1", conversation_id, reflection)
    assert await ledger.facts.count(job.person_id) == 0


async def test_all_is_kept_or_nothing(ledger: Ledger) -> None:
    job, conversation_id, reflection = await begin(ledger)
    elsewhere = replace(reflection.traits[0], evidence=Evidence("msg_gone", "calm"))
    with pytest.raises(NotFoundError):
        await ledger.reflections.keep(job, "w1", conversation_id, replace(reflection, traits=(elsewhere,)))
    assert await ledger.facts.count(job.person_id) == 0
    assert "fact_ids" not in (await ledger.jobs.get(job.id)).payload
