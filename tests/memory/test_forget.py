import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memory.config import MemoryConfig, ReflectionConfig
from memory.errors import NotFoundError
from memory.forget import Forgetting
from memory.index import Index
from memory.ledger.going import Target
from memory.ledger.jobs import FORGET
from memory.ledger.ledger import Ledger
from memory.queue import ReflectionWorker
from memory.remnants import has_remnant
from memory.retention import Retention
from memory.types import Evidence, Fact, Kind, Message, NewFact, NewTraitEvidence, Trait
from tests.fakes.embedding import shared_embedder
from tests.fakes.traces import in_files
from tests.fakes.turns import Asked, ScriptedComplete

AT = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass
class House:
    """A ledger and an index with one person in it, and what forgets."""

    ledger: Ledger
    index: Index
    home: Path
    forgetting: Forgetting
    worker: ReflectionWorker
    person: str = ""
    conversation: str = ""

    async def say(self, text: str, role: str = "user", conversation: str | None = None) -> Message:
        where = conversation or self.conversation
        return (await self.ledger.messages.append(self.person, where, role, text)).message  # type: ignore[arg-type]

    async def learn(self, text: str, *messages: Message, origin: str = "stated") -> Fact:
        evidence = tuple(Evidence(message.id, message.text) for message in messages)
        new = NewFact(text, Kind.OTHER, 0.9, origin, evidence, AT)  # type: ignore[arg-type]
        fact = await self.ledger.facts.add(self.person, new)
        await self.index.add(fact)
        return fact

    async def observe(self, message: Message) -> None:
        new = NewTraitEvidence(Trait.OPENNESS, 1, 0.5, Evidence(message.id, message.text), AT)
        await self.ledger.traits.add(self.person, message.conversation_id, new)

    async def facts(self) -> set[str]:
        return {fact.id for fact in (await self.ledger.facts.list(self.person, None))[0]}


@pytest.fixture
async def house(ledger: Ledger, memory_config: MemoryConfig) -> AsyncIterator[House]:
    async with Index.open(memory_config, shared_embedder()) as index:
        forgetting = Forgetting(ledger, index, memory_config.home)
        worker = ReflectionWorker(
            ledger, index, None, ReflectionConfig(retry_base_s=0.01), "w1", handlers={FORGET: forgetting.run}
        )
        house = House(ledger, index, memory_config.home, forgetting, worker)
        house.person = (await ledger.users.create("ada")).id
        house.conversation = (await ledger.conversations.create(house.person)).id
        yield house


async def test_a_dry_run_lists_what_the_real_run_takes_and_touches_nothing(house: House) -> None:
    said = await house.say("I keep bees.")
    reply = await house.say("Bees!", "assistant")
    fact = await house.learn("Keeps bees", said)
    await house.observe(said)
    job = await house.ledger.jobs.enqueue(house.person, "note", {"message_ids": [said.id]})
    target = Target("message", (said.id,))

    planned = await house.forgetting.plan(house.person, target)
    assert planned.dry_run and not planned.verified
    assert await house.facts() == {fact.id}
    done = await house.forgetting.forget(house.person, target, house.worker)

    assert done.going == planned.going
    assert (done.going.facts, done.going.messages) == ((fact.id,), (said.id, reply.id))
    assert (done.going.evidence, len(done.going.traits), done.going.jobs) == (1, 1, (job.id,))
    assert (done.verified, done.remaining) == (True, 0)
    assert await house.index.ids(house.person) == set()


async def test_a_fact_goes_with_the_versions_it_replaced_and_its_message_stays(house: House) -> None:
    said = await house.say("I live in Rome. No, in Bari.")
    old, new = await house.learn("Lives in Rome", said), await house.learn("Lives in Bari", said)
    kept = await house.learn("Has a cat", said)
    await house.ledger.facts.supersede(house.person, old.id, new.id)
    receipt = await house.forgetting.forget(house.person, Target("fact", (new.id,)), house.worker)
    assert set(receipt.going.facts) == {new.id, old.id}
    assert await house.facts() == {kept.id} == await house.index.ids(house.person)
    assert (await house.ledger.messages.get(house.person, said.id)).text == said.text


async def test_a_fact_that_rests_on_something_else_too_loses_the_quote(house: House) -> None:
    first, second = await house.say("I keep bees."), await house.say("My bees swarm.")
    both = await house.learn("Keeps bees", first, second)
    edited = await house.learn("Keeps three hives", first, origin="edited")
    receipt = await house.forgetting.forget(house.person, Target("message", (first.id,)), house.worker)
    assert (receipt.going.facts, set(receipt.going.weakened)) == ((), {both.id, edited.id})
    assert (await house.ledger.facts.get(house.person, both.id)).evidence == (Evidence(second.id, second.text),)


async def test_what_was_said_after_a_forgotten_message_hangs_below_what_was_said_before(house: House) -> None:
    before = await house.say("Hello.")
    gone = await house.say("A secret.")
    await house.say("Tell me.", "assistant")
    after = await house.say("Never mind.")
    await house.forgetting.forget(house.person, Target("message", (gone.id,)), house.worker)
    left, _ = await house.ledger.messages.list(house.person, house.conversation)
    assert [(one.id, one.parent_id) for one in left] == [(before.id, None), (after.id, before.id)]


async def test_a_title_made_from_a_forgotten_message_goes_too(house: House) -> None:
    gone = await house.say("A secret.")
    await house.say("Never mind.")
    assert (await house.ledger.conversations.get(house.person, house.conversation)).title == "A secret."
    await house.forgetting.forget(house.person, Target("message", (gone.id,)), house.worker)
    assert (await house.ledger.conversations.get(house.person, house.conversation)).title == "Never mind."


async def test_what_is_somebody_else_s_cannot_be_forgotten(house: House) -> None:
    said = await house.say("I keep bees.")
    fact = await house.learn("Keeps bees", said)
    stranger = (await house.ledger.users.create("bob")).id
    for target in (
        Target("fact", (fact.id,)),
        Target("message", (said.id,)),
        Target("conversation", (house.conversation,)),
    ):
        for attempt in (
            house.forgetting.plan(stranger, target),
            house.forgetting.forget(stranger, target, house.worker),
        ):
            with pytest.raises(NotFoundError):
                await attempt
    await house.forgetting.forget(stranger, Target("person"), house.worker)
    assert await house.facts() == {fact.id} == await house.index.ids(house.person)


async def test_a_person_leaves_nothing_but_the_audit(house: House) -> None:
    said = await house.say("I keep bees.")
    await house.learn("Keeps bees", said)
    await house.observe(said)
    await house.ledger.keys.create("user", house.person)
    await house.ledger.settings.update(house.person, country="IT", training=True)
    (house.home / "import-left.jsonl").write_text("I keep bees.")
    receipt = await house.forgetting.forget(house.person, Target("person"), house.worker)
    assert (receipt.verified, receipt.remaining, receipt.files) == (True, 0, 1)
    with pytest.raises(NotFoundError):
        await house.ledger.users.get(house.person)
    assert await house.index.people() == set()
    (entry,) = await house.ledger.audit.list(house.person)
    assert (entry.action, entry.detail["facts"]) == ("forget.person", 1)


async def test_of_the_local_owner_an_empty_person_and_the_key_stay(house: House) -> None:
    owner = await house.ledger.users.owner()
    _, secret = await house.ledger.keys.create("owner", owner.id)
    await house.ledger.conversations.create(owner.id, title="bees")
    await house.ledger.settings.update(owner.id, country="IT")
    await house.forgetting.forget(owner.id, Target("person"), house.worker)
    assert await house.ledger.users.owner() == owner
    assert await house.ledger.keys.verify(secret) is not None
    assert (await house.ledger.settings.get(owner.id)).country is None
    assert await house.ledger.conversations.list(owner.id) == ([], None)


async def test_a_forgotten_fact_does_not_come_back_from_an_old_job_but_from_a_new_message(house: House) -> None:
    said = await house.say("I am a nurse.")
    payload = {"conversation_id": house.conversation, "message_ids": [said.id]}
    await house.ledger.jobs.enqueue(house.person, "reflect", payload)
    assert await house.worker.drain(240)
    (fact,) = (await house.ledger.facts.list(house.person))[0]
    unlearned = await house.say("I am a nurse!")
    await house.forgetting.forget(house.person, Target("fact", (fact.id,)), house.worker)

    for old in (said, unlearned):
        await house.ledger.jobs.enqueue(
            house.person, "reflect", {"conversation_id": house.conversation, "message_ids": [old.id]}
        )
    assert await house.worker.drain(240)
    assert await house.facts() == set()

    again = await house.say("I am a nurse.")
    await house.ledger.jobs.enqueue(
        house.person, "reflect", {"conversation_id": house.conversation, "message_ids": [again.id]}
    )
    assert await house.worker.drain(240)
    assert len(await house.facts()) == 1


async def test_a_waiting_reflection_loses_the_messages_of_a_forgotten_fact(house: House) -> None:
    said, other = await house.say("I keep bees."), await house.say("I row.")
    fact = await house.learn("Keeps bees", said)
    payload = {"conversation_id": house.conversation, "message_ids": [said.id, other.id]}
    job = await house.ledger.jobs.enqueue(house.person, "reflect", payload)
    await house.ledger.erasures.erase(
        house.person, Target("fact", (fact.id,)), (await house.ledger.jobs.enqueue(house.person, FORGET, {})).id
    )
    assert (await house.ledger.jobs.get(job.id)).payload["message_ids"] == [other.id]


async def test_forgetting_interrupts_a_reflection_of_the_person_which_then_runs_again(house: House) -> None:
    said, other = await house.say("I keep bees."), await house.say("I row.")
    fact = await house.learn("Keeps bees", said)
    thinking, answers = asyncio.Event(), 0

    async def think(_asked: Asked) -> str:
        nonlocal answers
        answers += 1
        if answers == 1:
            thinking.set()
            await asyncio.Event().wait()
        return '{"facts": [], "traits": [], "feeling": null}'

    worker = ReflectionWorker(
        house.ledger,
        house.index,
        ScriptedComplete(think),
        ReflectionConfig(),
        "w2",
        handlers={FORGET: house.forgetting.run},
    )
    payload = {"conversation_id": house.conversation, "message_ids": [other.id]}
    await house.ledger.jobs.enqueue(house.person, "reflect", payload)
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    await thinking.wait()
    receipt = await house.forgetting.forget(house.person, Target("fact", (fact.id,)), worker)
    assert receipt.verified
    assert await worker.drain(240)
    stop.set()
    await running
    assert {job.status for job in await house.ledger.jobs.list()} == {"done"}
    assert answers == 2


async def test_a_damaged_index_is_built_again_from_what_remains(house: House) -> None:
    said = await house.say("I keep bees and row.")
    gone, kept = await house.learn("Keeps bees", said), await house.learn("Rows", said)
    await house.index._shelf.aclose()
    database = house.home / "index" / house.person / "chroma.sqlite3"
    database.write_bytes(b"\0" * 4096)
    receipt = await house.forgetting.forget(house.person, Target("fact", (gone.id,)), house.worker)
    assert receipt.index_rebuilt and receipt.remaining == 0
    assert await house.index.ids(house.person) == {kept.id}


async def test_a_canary_is_in_no_file_after_fact_message_and_person_were_forgotten(house: House) -> None:
    canaries = [f"canary{secrets.token_hex(8)}" for _ in range(3)]

    async def plant(canary: str) -> tuple[Message, Fact]:
        said = await house.say(f"I keep {canary}.")
        fact = await house.learn(f"Keeps {canary}", said)
        await house.observe(said)
        await house.ledger.jobs.enqueue(house.person, "note", {"message_ids": [said.id], "text": canary})
        return said, fact

    (first, fact), (second, _), _ = [await plant(canary) for canary in canaries]
    await house.ledger.feedback.put(house.person, (await house.say("Oh.", "assistant")).id, "up", canaries[2])
    await house.forgetting.forget(house.person, Target("fact", (fact.id,)), house.worker)
    assert not [path for path in in_files(house.home, canaries[0]) if "index" in path]
    for message, canary in ((first, canaries[0]), (second, canaries[1])):
        assert in_files(house.home, canary)
        await house.forgetting.forget(house.person, Target("message", (message.id,)), house.worker)
        assert in_files(house.home, canary) == []
    assert in_files(house.home, canaries[2])
    await house.forgetting.forget(house.person, Target("person"), house.worker)
    assert [in_files(house.home, canary) for canary in canaries] == [[], [], []]


async def test_retention_forgets_old_conversations_and_old_messages(house: House) -> None:
    now = datetime.now(UTC)
    old = (await house.ledger.conversations.create(house.person, created_at=now - timedelta(days=90))).id

    async def said(where: str, days: int) -> str:
        at = now - timedelta(days=days)
        appended = await house.ledger.messages.append(house.person, where, "user", f"{days}", created_at=at)
        return appended.message.id

    await said(old, 90)
    await said(house.conversation, 40)
    young = await said(house.conversation, 2)
    assert await Retention(house.ledger).sweep() == 0
    await house.ledger.settings.update(house.person, retention_days=30)
    assert await Retention(house.ledger).sweep() == 2
    assert await Retention(house.ledger).sweep() == 2
    assert await house.worker.drain(240)
    assert [one.id for one in (await house.ledger.conversations.list(house.person))[0]] == [house.conversation]
    left, _ = await house.ledger.messages.list(house.person, house.conversation)
    assert [one.id for one in left] == [young]
    assert await Retention(house.ledger).sweep() == 0


async def test_jobs_that_were_done_long_ago_are_purged_and_failed_ones_stay(house: House) -> None:
    jobs = [await house.ledger.jobs.enqueue(house.person, "note", {"n": number}) for number in range(2)]
    for ending in (house.ledger.jobs.done, lambda id: house.ledger.jobs.fail(id, "no")):
        claimed = await house.ledger.jobs.claim("w9", 60)
        assert claimed is not None
        await ending(claimed.id)
    assert await Retention(house.ledger).purge() == 0
    assert await Retention(house.ledger).purge(datetime.now(UTC) + timedelta(days=31)) == 1
    assert [job.id for job in await house.ledger.jobs.list()] == [jobs[1].id]


def test_a_stray_copy_between_cells_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("CREATE TABLE words (text)")
        connection.execute("INSERT INTO words VALUES ('something else')")
    assert not has_remnant(path, ["the unmentionable words of before"])
    content = bytearray(path.read_bytes())
    content[4096 + 1000 : 4096 + 1033] = b"the unmentionable words of before"
    path.write_bytes(content)
    assert has_remnant(path, ["the unmentionable words of before"])
    assert not has_remnant(path, ["something else"]), "a live row is no stray copy"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("VACUUM")
    assert not has_remnant(path, ["the unmentionable words of before"])
