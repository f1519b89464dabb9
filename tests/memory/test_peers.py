"""Several processes on one Postgres: jobs that another one runs are answered, calls are heard, locks go with death."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from memory.config import MemoryConfig, ReflectionConfig
from memory.elsewhere import Elsewhere, JobGoneError, answer_of
from memory.errors import LedgerError
from memory.forget import Forgetting
from memory.ledger.going import Target
from memory.ledger.jobs import FORGET
from memory.ledger.ledger import Ledger
from memory.peers import Peers
from memory.queue import ReflectionWorker
from memory.types import Evidence, Fact, Kind, NewFact
from tests.fakes.fact_index import RememberingIndex
from tests.fakes.gate import Gate

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif("ATTUNE_TEST_POSTGRES" not in os.environ, reason="for make test-postgres"),
]


class Remembering(RememberingIndex):
    """An index that forgets as well, and knows no people apart."""

    async def forget_person(self, person_id: str) -> None:
        self.texts.clear()

    async def rebuild(self, person_id: str, facts: Sequence[Fact]) -> None:
        self.texts = {fact.id: fact.text for fact in facts}

    async def ids(self, person_id: str) -> set[str]:
        return set(self.texts)

    async def people(self) -> set[str]:
        return set()


@dataclass(frozen=True, slots=True)
class Process:
    """What one process has open."""

    ledger: Ledger
    peers: Peers
    forgetting: Forgetting


@asynccontextmanager
async def process(config: MemoryConfig, index: Remembering, home: Path) -> AsyncIterator[Process]:
    async with Ledger.open(config) as ledger, Peers.open(ledger.database) as peers:
        while not peers.connected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        yield Process(ledger, peers, Forgetting(ledger, index, home))


@pytest.fixture
async def two(memory_config: MemoryConfig, tmp_path: Path) -> AsyncIterator[tuple[Process, Process]]:
    """A backend that leaves the work to others, and the process of a worker."""
    index = Remembering()
    async with AsyncExitStack() as stack:
        serving = await stack.enter_async_context(process(memory_config, index, tmp_path / "a"))
        yield serving, await stack.enter_async_context(process(memory_config, index, tmp_path / "b"))


@asynccontextmanager
async def working(worker: ReflectionWorker) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def learnt(ledger: Ledger) -> tuple[str, str, str]:
    """A person with one message and one fact; returns the ids of the three."""
    person = (await ledger.users.create()).id
    conversation = await ledger.conversations.create(person)
    said = (await ledger.messages.append(person, conversation.id, "user", "I keep bees.")).message
    new = NewFact("Keeps bees", Kind.OTHER, 0.9, "stated", (Evidence(said.id, "I keep bees."),), datetime.now(UTC))
    return person, said.id, (await ledger.facts.add(person, new)).id


def worker_of(process: Process, complete: object = None, name: str = "w") -> ReflectionWorker:
    return ReflectionWorker(
        process.ledger,
        Remembering(),
        complete,  # type: ignore[arg-type]
        ReflectionConfig(retry_base_s=0.01),
        name,
        handlers={FORGET: process.forgetting.run},
        peers=process.peers,
    )


@pytest.mark.parametrize("scope", ["fact", "message", "person"])
async def test_what_another_process_forgets_is_answered_with_its_receipt(
    two: tuple[Process, Process], scope: str
) -> None:
    here, there = two
    person, message, fact = await learnt(here.ledger)
    targets = {"fact": Target("fact", (fact,)), "message": Target("message", (message,)), "person": Target("person")}
    async with working(worker_of(there)):
        receipt = await here.forgetting.forget(person, targets[scope], Elsewhere(here.ledger, here.peers))
    assert (receipt.verified, receipt.remaining, receipt.dry_run) == (True, 0, False)
    assert receipt.target == targets[scope]
    assert receipt.going.facts == (fact,)
    assert (await here.ledger.facts.many(person, [fact], None)) == []


async def test_a_reflection_elsewhere_makes_way_for_forgetting(two: tuple[Process, Process]) -> None:
    here, there = two
    person, message, fact = await learnt(here.ledger)
    thinking, asked = asyncio.Event(), 0

    async def think(*_asked: object) -> str:
        nonlocal asked
        asked += 1
        if asked == 1:
            thinking.set()
            await asyncio.Event().wait()
        return '{"facts": [], "traits": [], "feeling": null}'

    conversation = (await here.ledger.messages.get(person, message)).conversation_id
    other = (await here.ledger.messages.append(person, conversation, "user", "I row.")).message
    await here.ledger.jobs.enqueue(person, "reflect", {"conversation_id": conversation, "message_ids": [other.id]})
    async with working(worker_of(there, think)):
        await thinking.wait()
        receipt = await here.forgetting.forget(person, Target("fact", (fact,)), Elsewhere(here.ledger, here.peers))
        assert receipt.verified
        assert await Elsewhere(here.ledger, here.peers).drain(240)
    assert asked == 2, "the reflection was begun again afterwards"
    assert {job.status for job in await here.ledger.jobs.list()} == {"done"}


async def test_either_of_two_workers_may_run_what_one_waits_for(two: tuple[Process, Process]) -> None:
    workers = [worker_of(one, name=name) for one, name in zip(two, "ab", strict=True)]
    async with working(workers[0]), working(workers[1]):
        for _ in range(8):
            person, _, _ = await learnt(two[0].ledger)
            assert (await two[0].forgetting.forget(person, Target("person"), workers[0])).verified


async def test_a_job_that_nobody_does_is_said_and_stays(two: tuple[Process, Process]) -> None:
    here, _ = two
    person, _, fact = await learnt(here.ledger)
    job = await here.ledger.jobs.enqueue(person, FORGET, {"scope": "fact", "ids": [fact]})
    with pytest.raises(LedgerError, match="does an attune work run"):
        await answer_of(here.ledger, job.id, patience_s=0.3)
    assert (await here.ledger.jobs.get(job.id)).status == "pending"


async def test_where_the_answer_is_lost_every_place_is_read_again(two: tuple[Process, Process]) -> None:
    """Whoever forgot the person was killed before it could leave its answer: the job went with the person."""
    here, there = two
    person, _, _ = await learnt(here.ledger)

    class Dies:
        async def do_now(self, person_id: str, kind: str, payload: object) -> object:
            await there.ledger.users.delete(person_id)
            raise JobGoneError("gone")

    receipt = await here.forgetting.forget(person, Target("person"), Dies())
    assert (receipt.verified, receipt.remaining, receipt.dry_run) == (True, 0, False)


async def test_a_call_is_heard_in_the_other_process(two: tuple[Process, Process]) -> None:
    here, there = two
    heard = Gate()
    there.peers.on_call(heard.open)
    here.peers.call()
    await heard.passing()


async def test_what_one_process_holds_no_other_gets_until_it_is_given_back_or_dies(
    two: tuple[Process, Process], memory_config: MemoryConfig, tmp_path: Path
) -> None:
    here, there = two
    assert await here.peers.take("con")
    assert await here.peers.take("con"), "within one process the process itself sees to it"
    assert not await there.peers.take("con")
    here.peers.give("con")
    assert not await there.peers.take("con")
    here.peers.give("con")
    assert await there.peers.take("con")
    there.peers.give("con")
    async with process(memory_config, Remembering(), tmp_path / "c") as dying:
        assert await dying.peers.take("con")
        assert not await here.peers.take("con")
    assert await here.peers.take("con")


async def test_after_the_connection_broke_what_was_held_is_held_again(two: tuple[Process, Process]) -> None:
    here, there = two
    assert await here.peers.take("con")
    broken = here.peers._connection
    await broken.close()
    while here.peers._connection in (broken, None):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert not await there.peers.take("con")
