import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from memory.config import MemoryConfig, ReflectionConfig
from memory.embedder import Embedder
from memory.errors import IndexUnavailableError
from memory.index import Index
from memory.ledger.ledger import Ledger
from memory.queue import JOBS_AT_ONCE, ReflectionWorker
from memory.types import CrisisLevel, Evidence, Job, NewTraitEvidence, Trait
from tests.fakes.embedding import shared_embedder
from tests.fakes.fact_index import RememberingIndex
from tests.fakes.turns import NOON, Asked, ScriptedComplete

CONFIG = ReflectionConfig(retry_base_s=0.01)
NOTHING = json.dumps({"facts": [], "traits": [], "feeling": None})
NURSE = {"text": "Is a nurse", "kind": "background", "turn": 1, "quote": "nurse", "confidence": 0.9, "origin": "stated"}
CALM = {"trait": "neuroticism", "direction": "low", "strength": 0.5, "item": None, "turn": 1, "quote": "nurse"}
FOUND = json.dumps({"facts": [NURSE], "traits": [CALM], "feeling": None})


def make(ledger: Ledger, complete: Any = None, index: Any = None, **rest: Any) -> ReflectionWorker:
    return ReflectionWorker(ledger, index or RememberingIndex(), complete, rest.pop("config", CONFIG), "w1", **rest)


async def say(
    ledger: Ledger,
    *said: str,
    person_id: str | None = None,
    incognito: bool = False,
    crisis_level: CrisisLevel | None = None,
) -> str:
    """Have a person say something in a conversation of its own, each followed by a job; returns the person's id."""
    person_id = person_id or (await ledger.users.create()).id
    conversation = await ledger.conversations.create(person_id, incognito=incognito)
    for text in said:
        message = (
            await ledger.messages.append(person_id, conversation.id, "user", text, crisis_level=crisis_level)
        ).message
        payload = {"conversation_id": conversation.id, "message_ids": [message.id]}
        await ledger.jobs.enqueue(person_id, "reflect", payload)
    return person_id


async def facts_of(ledger: Ledger, person_id: str) -> list[str]:
    return [fact.text for fact in (await ledger.facts.list(person_id))[0]]


async def the_job(ledger: Ledger) -> Job:
    (job,) = await ledger.jobs.list()
    return job


async def test_what_was_said_becomes_facts_in_ledger_and_index(ledger: Ledger) -> None:
    person_id = await say(ledger, "I am a nurse.", "My dog is called Biscuit.")
    index = RememberingIndex()
    assert await make(ledger, index=index).drain(240)
    facts, _ = await ledger.facts.list(person_id)
    assert {fact.text for fact in facts} == {"I am a nurse.", "My dog is called Biscuit."}
    assert index.texts == {fact.id: fact.text for fact in facts}
    assert (await ledger.jobs.counts())["done"] == 2


async def test_the_real_index_finds_what_was_learnt(ledger: Ledger, memory_config: MemoryConfig) -> None:
    person_id = await say(ledger, "I am a nurse. I moved to Lisbon last spring.")
    embedder: Embedder = shared_embedder()
    async with Index.open(memory_config, embedder) as index:
        assert await make(ledger, index=index).drain(240)
        (best, _), *_ = await index.search(person_id, "Which job does she have?", 2)
        assert (await ledger.facts.get(person_id, best)).text == "I am a nurse."


async def test_a_model_s_findings_are_kept_with_traits(ledger: Ledger) -> None:
    person_id = await say(ledger, "I am a nurse.")
    assert await make(ledger, ScriptedComplete(FOUND)).drain(240)
    assert await facts_of(ledger, person_id) == ["Is a nurse"]
    (trait,) = await ledger.traits.list(person_id)
    assert (trait.trait, trait.direction, trait.source) == (Trait.NEUROTICISM, -1, "model")


async def test_known_facts_and_earlier_turns_are_shown_to_the_model(ledger: Ledger) -> None:
    person_id = await say(ledger, "I am a nurse.", "The nurse is tired.")
    complete = ScriptedComplete(FOUND)
    assert await make(ledger, complete).drain(240)
    assert '"Is a nurse"' not in complete.asked[0].text
    assert '"Is a nurse"' in complete.asked[1].text
    assert '"turn": "earlier"' in complete.asked[1].text
    assert await facts_of(ledger, person_id) == ["Is a nurse"]


@pytest.mark.parametrize("garbled", ["null", "{}", "I can't help with that.", FOUND[:-2], '{"facts": ["nurse"]}'])
async def test_a_garbled_answer_is_tried_again_and_then_visibly_failed(ledger: Ledger, garbled: str) -> None:
    person_id = await say(ledger, "I am a nurse.")
    complete = ScriptedComplete(garbled)
    assert await make(ledger, complete).drain(240)
    job = await the_job(ledger)
    assert (job.status, job.attempts, len(complete.asked)) == ("failed", 3, 3)
    assert job.error is not None and job.error.startswith("ReflectionError: the model's answer")
    assert "nurse" not in job.error
    assert await facts_of(ledger, person_id) == []


async def test_a_model_that_recovers_is_forgiven(ledger: Ledger) -> None:
    person_id = await say(ledger, "I am a nurse.")
    assert await make(ledger, ScriptedComplete(ConnectionError("down"), "null", FOUND)).drain(240)
    assert (await the_job(ledger)).status == "done"
    assert await facts_of(ledger, person_id) == ["Is a nurse"]


async def test_pauses_between_attempts_double(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    await say(ledger, "I am a nurse.")
    config = ReflectionConfig(retry_base_s=0.1, max_attempts=4)
    began = time.monotonic()
    with caplog.at_level(logging.INFO, logger="memory.queue"):
        assert await make(ledger, ScriptedComplete("null"), config=config).drain(240)
    assert time.monotonic() - began >= 0.1 + 0.2 + 0.4
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3 + ["ERROR"]


async def test_nothing_anybody_said_is_logged(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    await say(ledger, "I am a nurse.", "My dog is called Biscuit.")
    with caplog.at_level(logging.DEBUG, logger="memory"):
        assert await make(ledger).drain(240)
        await say(ledger, "I am a nurse.")
        assert await make(ledger, ScriptedComplete("nurse")).drain(240)
    assert caplog.text
    assert "nurse" not in caplog.text and "Biscuit" not in caplog.text


async def test_an_index_that_fails_costs_no_second_model_call(ledger: Ledger) -> None:
    person_id = await say(ledger, "I am a nurse.")
    index, complete = RememberingIndex(), ScriptedComplete(FOUND)
    index.failing = IndexUnavailableError("the disk is full")
    assert await make(ledger, complete, index).drain(240)
    job = await the_job(ledger)
    assert (job.status, job.error) == ("failed", "IndexUnavailableError: the disk is full")
    index.failing = None
    await ledger.jobs.requeue(job.id)
    assert await make(ledger, complete, index).drain(240)
    assert (await the_job(ledger)).status == "done"
    assert list(index.texts.values()) == await facts_of(ledger, person_id) == ["Is a nurse"]
    assert len(complete.asked) == 1


async def test_a_worker_killed_after_keeping_doubles_nothing(ledger: Ledger) -> None:
    person_id = await say(ledger, "I am a nurse.")
    reached = asyncio.Event()

    class StuckIndex(RememberingIndex):
        async def add_many(self, facts: Any) -> None:
            reached.set()
            await asyncio.Event().wait()

    reworded = FOUND.replace("Is a nurse", "Works as a nurse")
    complete = ScriptedComplete(FOUND, reworded)
    killed = asyncio.create_task(make(ledger, complete, StuckIndex()).run(asyncio.Event()))
    await reached.wait()
    killed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killed
    index = RememberingIndex()
    assert await make(ledger, complete, index).drain(240)
    assert await facts_of(ledger, person_id) == ["Is a nurse"] == list(index.texts.values())
    assert len(await ledger.traits.list(person_id)) == 1


async def test_a_worker_killed_while_the_model_thinks_keeps_nothing_and_the_job_runs_again(ledger: Ledger) -> None:
    person_id = await say(ledger, "I am a nurse.")
    reached = asyncio.Event()

    async def think(_asked: Asked) -> str:
        reached.set()
        await asyncio.Event().wait()
        return ""

    stop = asyncio.Event()
    stopped = asyncio.create_task(make(ledger, ScriptedComplete(think)).run(stop))
    await reached.wait()
    stop.set()
    await stopped
    assert (await the_job(ledger)).status == "pending"
    assert await make(ledger, ScriptedComplete(FOUND)).drain(240)
    assert await facts_of(ledger, person_id) == ["Is a nurse"]


async def test_a_job_lost_to_another_worker_keeps_nothing(ledger: Ledger) -> None:
    person_id = await say(ledger, "I am a nurse.")

    async def taken(_asked: Asked) -> str:
        await ledger.jobs.release_all()
        job = await ledger.jobs.claim("w2", 60)
        assert job is not None and await ledger.jobs.done(job.id, "w2")
        return FOUND

    assert await make(ledger, ScriptedComplete(taken)).drain(240)
    assert await facts_of(ledger, person_id) == []
    assert (await the_job(ledger)).status == "done"


Change = Callable[[Ledger, str], Awaitable[Any]]


async def _memory_off(ledger: Ledger, person_id: str) -> None:
    await ledger.settings.update(person_id, memory=False)


async def _forgotten(ledger: Ledger, person_id: str) -> None:
    (conversation,), _ = await ledger.conversations.list(person_id)
    await ledger.conversations.delete(person_id, conversation.id)


async def _incognito(ledger: Ledger, person_id: str) -> None:
    (conversation,), _ = await ledger.conversations.list(person_id)
    await ledger.conversations.update(person_id, conversation.id, incognito=True)


@pytest.mark.parametrize("change", [_memory_off, _forgotten, _incognito])
async def test_what_is_forbidden_before_or_while_the_model_thinks_is_not_learnt(ledger: Ledger, change: Change) -> None:
    before = await say(ledger, "I am a nurse.")
    await change(ledger, before)
    meanwhile = await say(ledger, "I am a nurse.")

    async def answer(_asked: Asked) -> str:
        await change(ledger, meanwhile)
        return FOUND

    complete = ScriptedComplete(answer)
    assert await make(ledger, complete).drain(240)
    assert len(complete.asked) == 1
    for person_id in (before, meanwhile):
        assert await facts_of(ledger, person_id) == []
        assert await ledger.traits.list(person_id) == []
    assert (await ledger.jobs.counts())["failed"] == 0


async def test_without_a_persona_no_traits_are_kept(ledger: Ledger) -> None:
    person_id = await say(ledger, "I am a nurse.")
    await ledger.settings.update(person_id, persona=False)
    assert await make(ledger, ScriptedComplete(FOUND)).drain(240)
    assert await facts_of(ledger, person_id) == ["Is a nurse"]
    assert await ledger.traits.list(person_id) == []


async def test_an_incognito_conversation_and_crisis_turns_teach_nothing(ledger: Ledger) -> None:
    people = [
        await say(ledger, "I am a nurse.", incognito=True),
        await say(ledger, "I am a nurse and I want to die.", crisis_level="high"),
    ]
    complete = ScriptedComplete(FOUND)
    assert await make(ledger, complete).drain(240)
    assert complete.asked == []
    assert [await facts_of(ledger, person_id) for person_id in people] == [[], []]


async def test_one_person_s_jobs_run_in_order_and_different_people_s_at_once(ledger: Ledger) -> None:
    together: set[str] = set()
    crowded = asyncio.Event()
    order = []

    async def answer(asked: Asked) -> str:
        said = json.loads(asked.text.splitlines()[-1])["text"]
        who = said.split()[0]
        assert who not in together
        together.add(who)
        assert len(together) <= JOBS_AT_ONCE
        if len(together) == JOBS_AT_ONCE:
            crowded.set()
        await crowded.wait()
        order.append(said)
        together.discard(who)
        return NOTHING

    for who in ("Ana", "Bo", "Cy", "Di", "Ed", "Flo"):
        await say(ledger, *(f"{who} says {n}" for n in range(3)))
    assert await make(ledger, ScriptedComplete(answer)).drain(240)
    for who in ("Ana", "Flo"):
        assert [said for said in order if said.startswith(who)] == [f"{who} says {n}" for n in range(3)]


async def test_a_long_history_is_reflected_on_in_batches(ledger: Ledger) -> None:
    person = await ledger.users.create()
    conversation = await ledger.conversations.create(person.id)
    ids = []
    for n in range(10):
        said = await ledger.messages.append(person.id, conversation.id, "user", f"I am number {n}. " * 10)
        ids.append(said.message.id)
    await ledger.jobs.enqueue(person.id, "reflect", {"conversation_id": conversation.id, "message_ids": ids})
    complete = ScriptedComplete(NOTHING)
    assert await make(ledger, complete, config=ReflectionConfig(batch_chars=400)).drain(240)
    assert len(complete.asked) == 5


async def test_notify_wakes_the_worker_at_once(ledger: Ledger) -> None:
    asked = asyncio.Event()

    async def answer(_asked: Asked) -> str:
        asked.set()
        return NOTHING

    worker, stop = make(ledger, ScriptedComplete(answer)), asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    assert await worker.drain(240)
    await say(ledger, "I am a nurse.")
    worker.notify()
    await asyncio.wait_for(asked.wait(), 240)
    assert await worker.drain(240)
    stop.set()
    await asyncio.wait_for(running, 240)


async def test_a_worker_may_start_running_while_it_drains(ledger: Ledger) -> None:
    person_id = await say(ledger, "I am a nurse.")
    worker, stop = make(ledger), asyncio.Event()
    draining, running = asyncio.create_task(worker.drain(240)), asyncio.create_task(worker.run(stop))
    assert await draining
    await say(ledger, "I live in Ghent.", person_id=person_id)
    assert await worker.drain(240)
    assert len(await facts_of(ledger, person_id)) == 2
    stop.set()
    await asyncio.wait_for(running, 240)


async def test_drain_gives_up_at_its_deadline(ledger: Ledger) -> None:
    async def think(_asked: Asked) -> str:
        await asyncio.Event().wait()
        return ""

    await say(ledger, "I am a nurse.")
    began = time.monotonic()
    assert not await make(ledger, ScriptedComplete(think)).drain(0.2)
    assert time.monotonic() - began < 10
    assert (await the_job(ledger)).status == "pending"


async def test_a_job_nobody_knows_and_one_without_messages_are_visibly_failed(ledger: Ledger) -> None:
    person = await ledger.users.create()
    await ledger.jobs.enqueue(person.id, "bake", {})
    await ledger.jobs.enqueue(person.id, "reflect", {"conversation_id": 3})
    assert await make(ledger).drain(240)
    bake, nameless = await ledger.jobs.list(status="failed")
    assert (bake.attempts, bake.error) == (1, "ReflectionError: no worker here knows jobs of kind 'bake'")
    assert nameless.error is not None and "names no conversation_id" in nameless.error


async def test_traits_may_be_observed_without_a_model(ledger: Ledger) -> None:
    person_id = await say(ledger, "I hate loud parties.")

    async def observe(turns: Any) -> list[NewTraitEvidence]:
        evidence = Evidence(turns[0].id, "hate loud parties")
        return [NewTraitEvidence(Trait.EXTRAVERSION, -1, 0.4, evidence, NOON)]

    assert await make(ledger, observe_traits=observe).drain(240)
    assert [one.trait for one in await ledger.traits.list(person_id)] == [Trait.EXTRAVERSION]


async def test_traits_are_observed_in_what_the_person_says_outside_of_a_crisis(ledger: Ledger) -> None:
    person_id = (await ledger.users.create()).id
    conversation = (await ledger.conversations.create(person_id)).id
    loud = await ledger.messages.append(person_id, conversation, "user", "I hate parties.")
    reply = await ledger.messages.append(person_id, conversation, "assistant", "I see.")
    crisis = await ledger.messages.append(person_id, conversation, "user", "I give up.", crisis_level="imminent")
    ids = [said.message.id for said in (loud, reply, crisis)]
    await ledger.jobs.enqueue(person_id, "reflect", {"conversation_id": conversation, "message_ids": ids})
    seen: list[str] = []

    async def observe(turns: Any) -> list[NewTraitEvidence]:
        seen.extend(turn.text for turn in turns)
        return []

    assert await make(ledger, observe_traits=observe).drain(240)
    assert seen == ["I hate parties."]


@pytest.mark.parametrize("made_up", [True, False])
async def test_made_up_dates_make_no_evidence_old(ledger: Ledger, made_up: bool) -> None:
    person_id = (await ledger.users.create()).id
    conversation = await ledger.conversations.create(person_id, synthetic_dates=made_up, created_at=NOON)
    said = await ledger.messages.append(person_id, conversation.id, "user", "I worry.", created_at=NOON)
    payload = {"conversation_id": conversation.id, "message_ids": [said.message.id]}
    await ledger.jobs.enqueue(person_id, "reflect", payload)

    async def observe(turns: Any) -> list[NewTraitEvidence]:
        return [NewTraitEvidence(Trait.NEUROTICISM, 1, 0.4, Evidence(t.id, t.text), t.created_at) for t in turns]

    started = datetime.now(UTC)
    assert await make(ledger, observe_traits=observe).drain(240)
    (seen,) = await ledger.traits.list(person_id)
    assert (seen.observed_at >= started) if made_up else (seen.observed_at == NOON)


async def test_facts_by_rules_do_not_wait_for_the_traits_and_count_once(ledger: Ledger) -> None:
    person_id = await say(ledger, "I hate loud parties.")
    seen: list[int] = []

    async def observe(turns: Any) -> list[NewTraitEvidence]:
        seen.append(await ledger.facts.count(person_id))
        return []

    assert await make(ledger, observe_traits=observe).drain(240)
    assert seen == [1]
    [fact] = (await ledger.facts.list(person_id))[0]
    assert len(fact.evidence) == 1
