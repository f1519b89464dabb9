import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.config import MemoryConfig
from memory.errors import ConflictError, NotFoundError
from memory.ledger.jobs import FORGET
from memory.ledger.ledger import Ledger
from memory.types import Job, JobStatus, Person

LEASE = 60.0


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


async def claim(ledger: Ledger, worker: str = "w", lease_s: float = LEASE) -> Job:
    job = await ledger.jobs.claim(worker, lease_s)
    assert job is not None
    return job


async def test_a_job_is_claimed_done_and_counted(ledger: Ledger, person: Person) -> None:
    made = await ledger.jobs.enqueue(person.id, "reflect", {"conversation_id": "c", "n": 1})
    assert (made.status, made.attempts, made.payload) == ("pending", 0, {"conversation_id": "c", "n": 1})
    claimed = await claim(ledger)
    assert (claimed.id, claimed.status, claimed.attempts) == (made.id, "running", 1)
    assert await ledger.jobs.claim("w", LEASE) is None
    assert await ledger.jobs.done(claimed.id)
    assert await ledger.jobs.counts() == {"pending": 0, "running": 0, "done": 1, "failed": 0}
    assert not await ledger.jobs.done(claimed.id)
    assert (await ledger.jobs.get(made.id)).status == "done"


async def test_a_job_of_nobody_is_refused(ledger: Ledger) -> None:
    with pytest.raises(NotFoundError):
        await ledger.jobs.enqueue("per_unknown", "reflect", {})
    with pytest.raises(NotFoundError):
        await ledger.jobs.get("job_unknown")
    assert not await ledger.jobs.done("job_unknown")


async def test_one_persons_jobs_wait_for_each_other_and_not_for_anybody_elses(
    ledger: Ledger, person: Person, stranger: Person
) -> None:
    mine = [await ledger.jobs.enqueue(person.id, "reflect", {"n": n}) for n in range(2)]
    theirs = await ledger.jobs.enqueue(stranger.id, "reflect", {})
    assert (await claim(ledger)).id == mine[0].id
    assert (await claim(ledger)).id == theirs.id
    assert await ledger.jobs.claim("w", LEASE) is None
    await ledger.jobs.done(mine[0].id)
    assert (await claim(ledger)).id == mine[1].id


async def test_a_job_that_waits_for_its_retry_holds_back_the_later_ones(ledger: Ledger, person: Person) -> None:
    first, second = [await ledger.jobs.enqueue(person.id, "reflect", {"n": n}) for n in range(2)]
    await claim(ledger)
    at = soon()
    assert await ledger.jobs.retry(first.id, "the model garbled it", at)
    assert (await ledger.jobs.get(first.id)).error == "the model garbled it"
    assert await ledger.jobs.claim("w", LEASE) is None
    assert await ledger.jobs.next_due() == at
    assert (await ledger.jobs.list("pending"))[0].id == first.id
    await ledger.jobs.enqueue(person.id, "reflect", {"n": 3})
    assert await ledger.jobs.next_due() == at
    assert second.status == "pending"


async def test_a_retry_that_is_due_runs_before_the_later_ones(ledger: Ledger, person: Person) -> None:
    first, _ = [await ledger.jobs.enqueue(person.id, "reflect", {"n": n}) for n in range(2)]
    await claim(ledger)
    await ledger.jobs.retry(first.id, "again", datetime.now(UTC) - timedelta(seconds=1))
    again = await claim(ledger)
    assert (again.id, again.attempts) == (first.id, 2)


async def test_a_failure_for_good_is_visible_and_holds_nobody_back(ledger: Ledger, person: Person) -> None:
    first, second = [await ledger.jobs.enqueue(person.id, "reflect", {"n": n}) for n in range(2)]
    await claim(ledger)
    assert await ledger.jobs.fail(first.id, "three attempts failed: no JSON")
    (failed,) = await ledger.jobs.list("failed", person.id)
    assert (failed.id, failed.error) == (first.id, "three attempts failed: no JSON")
    assert (await claim(ledger)).id == second.id


async def test_a_failed_job_can_be_run_again_and_only_a_failed_one(ledger: Ledger, person: Person) -> None:
    job = await ledger.jobs.enqueue(person.id, "reflect", {})
    with pytest.raises(ConflictError, match="pending"):
        await ledger.jobs.requeue(job.id)
    await claim(ledger)
    await ledger.jobs.fail(job.id, "no")
    assert (await ledger.jobs.requeue(job.id)).attempts == 0
    assert (await claim(ledger)).id == job.id
    with pytest.raises(NotFoundError):
        await ledger.jobs.requeue("job_unknown")


async def test_a_job_run_again_waits_for_the_one_that_runs(ledger: Ledger, person: Person) -> None:
    first, second = [await ledger.jobs.enqueue(person.id, "reflect", {"n": n}) for n in range(2)]
    await claim(ledger)
    await ledger.jobs.fail(first.id, "no")
    assert (await claim(ledger)).id == second.id
    await ledger.jobs.requeue(first.id)
    assert await ledger.jobs.claim("w", LEASE) is None
    await ledger.jobs.done(second.id)
    assert (await claim(ledger)).id == first.id


async def test_a_lease_that_ran_out_makes_the_job_claimable_and_its_worker_powerless(
    ledger: Ledger, person: Person
) -> None:
    job = await ledger.jobs.enqueue(person.id, "reflect", {})
    await claim(ledger, "dead", lease_s=-1)
    again = await claim(ledger, "alive")
    assert (again.id, again.attempts) == (job.id, 2)
    assert not await ledger.jobs.extend(job.id, "dead", LEASE)
    assert not await ledger.jobs.done(job.id, "dead")
    assert not await ledger.jobs.fail(job.id, "late", "dead")
    assert not await ledger.jobs.retry(job.id, "late", None, "dead")
    assert await ledger.jobs.extend(job.id, "alive", LEASE)
    assert await ledger.jobs.done(job.id, "alive")


async def test_a_lease_that_was_extended_holds(ledger: Ledger, person: Person) -> None:
    job = await ledger.jobs.enqueue(person.id, "reflect", {})
    await claim(ledger, "w", lease_s=-1)
    await ledger.jobs.extend(job.id, "w", LEASE)
    assert await ledger.jobs.claim("other", LEASE) is None
    due = await ledger.jobs.next_due()
    assert due is not None and due > datetime.now(UTC) + timedelta(seconds=LEASE / 2)


async def test_the_jobs_of_a_worker_that_died_are_released(ledger: Ledger, person: Person, stranger: Person) -> None:
    jobs = [await ledger.jobs.enqueue(one.id, "reflect", {}) for one in (person, stranger)]
    await claim(ledger, "first")
    await claim(ledger, "second")
    assert await ledger.jobs.release_all("first") == 1
    assert (await ledger.jobs.get(jobs[0].id)).status == "pending"
    assert await ledger.jobs.release_all() == 1
    assert await ledger.jobs.release_all() == 0
    assert (await ledger.jobs.counts())["pending"] == 2


async def test_an_unfinished_job_of_the_same_key_is_not_enqueued_twice(
    ledger: Ledger, person: Person, stranger: Person
) -> None:
    jobs = await asyncio.gather(*(ledger.jobs.enqueue(person.id, "export", {}, "daily") for _ in range(8)))
    assert len({job.id for job in jobs}) == 1
    running = await claim(ledger)
    assert (await ledger.jobs.enqueue(person.id, "export", {}, "daily")).id == running.id
    for owner, kind, key in ((stranger, "export", "daily"), (person, "erase", "daily"), (person, "export", "weekly")):
        assert (await ledger.jobs.enqueue(owner.id, kind, {}, key)).id != running.id
    await ledger.jobs.done(running.id)
    assert (await ledger.jobs.enqueue(person.id, "export", {}, "daily")).id != running.id


async def test_jobs_done_long_ago_can_be_purged(ledger: Ledger, person: Person) -> None:
    first, second = [await ledger.jobs.enqueue(person.id, "reflect", {"n": n}) for n in range(2)]
    await claim(ledger)
    await ledger.jobs.done(first.id)
    assert await ledger.jobs.purge_done(datetime.now(UTC) - timedelta(days=1)) == 0
    assert await ledger.jobs.purge_done(soon()) == 1
    assert [job.id for job in await ledger.jobs.list()] == [second.id]


async def test_nothing_is_due_while_there_is_nothing_to_do(ledger: Ledger, person: Person) -> None:
    assert await ledger.jobs.next_due() is None
    job = await ledger.jobs.enqueue(person.id, "reflect", {})
    assert await ledger.jobs.next_due() == job.created_at
    await claim(ledger)
    await ledger.jobs.fail(job.id, "no")
    assert await ledger.jobs.next_due() is None


async def test_workers_of_two_openings_run_every_job_once_and_each_persons_in_order(
    ledger: Ledger, memory_config: MemoryConfig
) -> None:
    people = [await ledger.users.create() for _ in range(3)]
    for number in range(8):
        for person in people:
            await ledger.jobs.enqueue(person.id, "reflect", {"n": number})
    order: dict[str, list[int]] = {person.id: [] for person in people}
    running: set[str] = set()

    async def work(jobs: Ledger, worker: str) -> None:
        while sum(map(len, order.values())) < 24:
            job = await jobs.jobs.claim(worker, LEASE)
            if job is None:
                await asyncio.sleep(0)
                continue
            assert job.person_id not in running
            running.add(job.person_id)
            order[job.person_id].append(job.payload["n"])
            await asyncio.sleep(0)
            running.remove(job.person_id)
            assert await jobs.jobs.done(job.id, worker)

    async with Ledger.open(memory_config) as second:
        await asyncio.gather(*(work(one, f"{id(one)}-{n}") for one in (ledger, second) for n in range(3)))
    assert list(order.values()) == [list(range(8))] * 3


@dataclass
class Model:
    """What the queue should hold: every person's unfinished jobs in order, and which of them runs."""

    unfinished: dict[str, list[str]] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    running: dict[str, str] = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)
    ended: dict[str, JobStatus] = field(default_factory=dict)

    def may_run(self) -> set[str]:
        for job in self.expired:
            del self.running[job]
        self.expired.clear()
        heads = {jobs[0] for jobs in self.unfinished.values() if jobs}
        return heads - self.waiting - set(self.running)


steps = st.one_of(
    st.tuples(st.just("enqueue"), st.integers(0, 2)),
    st.tuples(st.sampled_from(["claim", "claim briefly"]), st.integers(0, 1)),
    st.tuples(st.sampled_from(["done", "fail", "retry", "retry later", "release"]), st.integers(0, 3)),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(steps, min_size=4, max_size=30))
async def test_whatever_happens_each_persons_jobs_run_in_order_and_one_at_a_time(
    ledger: Ledger, script: list[tuple[str, int]]
) -> None:
    people = [(await ledger.users.create()).id for _ in range(3)]
    model = Model({person: [] for person in people})
    for step, number in script:
        if step == "enqueue":
            job = await ledger.jobs.enqueue(people[number], "reflect", {})
            model.unfinished[people[number]].append(job.id)
        elif step.startswith("claim"):
            await _claim(ledger, model, f"w{number}", briefly=step == "claim briefly")
        elif step == "release":
            await ledger.jobs.release_all(f"w{number}")
            freed = [job for job, worker in model.running.items() if worker == f"w{number}"]
            for job_id in freed:
                del model.running[job_id]
                model.expired.discard(job_id)
        elif model.running:
            await _end(ledger, model, step, sorted(model.running)[number % len(model.running)])
        stored = {job.id: job.status for person in people for job in await ledger.jobs.list(person_id=person)}
        running = {job for job, status in stored.items() if status == "running"}
        assert running == set(model.running)
        assert {job: stored[job] for job in model.ended} == model.ended
    for person in people:  # the next example begins with no job of this one
        await ledger.users.delete(person)


async def _claim(ledger: Ledger, model: Model, worker: str, *, briefly: bool) -> None:
    job = await ledger.jobs.claim(worker, -1 if briefly else LEASE)
    may_run = model.may_run()
    if job is None:
        assert not may_run
        return
    assert job.id in may_run
    assert job.created_at == min([(await ledger.jobs.get(other)).created_at for other in may_run])
    model.running[job.id] = worker
    if briefly:
        model.expired.add(job.id)


async def _end(ledger: Ledger, model: Model, step: str, job_id: str) -> None:
    del model.running[job_id]
    model.expired.discard(job_id)
    if step in ("done", "fail"):
        assert await (ledger.jobs.done(job_id) if step == "done" else ledger.jobs.fail(job_id, "no"))
        model.ended[job_id] = "done" if step == "done" else "failed"
        for jobs in model.unfinished.values():
            if job_id in jobs:
                jobs.remove(job_id)
    else:
        assert await ledger.jobs.retry(job_id, "again", soon() if step == "retry later" else None)
        if step == "retry later":
            model.waiting.add(job_id)


async def test_forgetting_goes_before_what_a_person_has_waiting_and_nothing_else_runs_beside_it(
    ledger: Ledger, person: Person, stranger: Person
) -> None:
    at = datetime.now(UTC)
    waiting = await ledger.jobs.enqueue(person.id, "reflect", {})
    assert (await ledger.jobs.claim("w1", 60)) is not None
    await ledger.jobs.retry(waiting.id, "later", at + timedelta(hours=1))
    await ledger.jobs.enqueue(stranger.id, "reflect", {})
    forgetting = await ledger.jobs.enqueue(person.id, "forget", {})
    assert (await ledger.jobs.next_due() or at) <= datetime.now(UTC)
    claimed = await ledger.jobs.claim("w1", 60)
    assert claimed is not None and claimed.id == forgetting.id
    assert await ledger.jobs.give_back(forgetting.id, "w1")
    assert (await ledger.jobs.get(forgetting.id)).attempts == 0
    await ledger.jobs.note(forgetting.id, {"seen": True})
    assert (await ledger.jobs.get(forgetting.id)).payload == {"seen": True}


async def test_what_is_unfinished_and_what_is_urgent_is_said_for_the_people_who_are_named(ledger: Ledger) -> None:
    ada, ben, eve = [(await ledger.users.create()).id for _ in range(3)]
    for person in (ada, ada, ben):
        await ledger.jobs.enqueue(person, "reflect", {})
    taken = await ledger.jobs.claim("w", 60)
    assert taken is not None and taken.person_id == ada
    assert await ledger.jobs.unfinished([ada, eve]) == 2
    await ledger.jobs.done(taken.id)
    assert await ledger.jobs.unfinished([ada, ben, eve]) == 2
    assert await ledger.jobs.unfinished([]) == 0
    await ledger.jobs.enqueue(ben, FORGET, {})
    assert await ledger.jobs.urgent([ada, ben]) == [ben]
    assert await ledger.jobs.urgent([ada, eve]) == []
