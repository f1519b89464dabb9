"""A cluster under load: any part is killed, backends are restarted in turn, a policy goes live and back.

`make test-cluster` runs it on scripted model servers, `make test-cluster-vllm` the same on two real vLLMs.
What was acknowledged is there once, nobody reads what is somebody else's, and every request is answered in the end.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from memory.ledger import tables
from tests.cluster.cluster import Cluster, ModelServer, cluster, scripted, vllm
from tests.cluster.parts import Part
from tests.cluster.people import Said, Talker
from tests.fakes import policies
from tests.fakes.tiny_lora import make_lora

PEOPLE = int(os.environ.get("ATTUNE_CLUSTER_PEOPLE", "6"))
ONLY = os.environ.get("ATTUNE_CLUSTER_PARTS", "").split()
"""The parts that are killed; all without it."""
SETTLED_S = 300.0
LAYERS = 8
"""Of the tiny model: slow enough for vLLM's front end to keep pace with its engine."""

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif("ATTUNE_TEST_CLUSTER" not in os.environ, reason="for make test-cluster"),
]


@dataclass(frozen=True, slots=True)
class Load:
    """The people who talk, and what they saw."""

    talkers: Sequence[Talker]

    @property
    def said(self) -> list[Said]:
        """Everything that was said so far."""
        return [said for talker in self.talkers for said in talker.said]

    async def everybody_answered_since(self, moment: float) -> float:
        """Wait until each person has a whole reply to something sent after `moment`; returns the seconds since."""
        deadline = time.monotonic() + SETTLED_S
        while True:
            served = [any(s.complete and s.sent_at > moment for s in list(talker.said)) for talker in self.talkers]
            if all(served):
                return time.monotonic() - moment
            assert time.monotonic() < deadline, f"{served.count(False)} people are not answered any more"
            await asyncio.sleep(0.05)

    async def answered_by(self, version: str, moment: float) -> None:
        """Wait until everybody was answered by this policy, in something sent after `moment`."""
        deadline = time.monotonic() + SETTLED_S
        while not all(
            any(s.version == version and s.sent_at > moment for s in list(talker.said)) for talker in self.talkers
        ):
            assert time.monotonic() < deadline, f"not everybody is answered by {version}"
            await asyncio.sleep(0.05)

    def retries(self) -> int:
        """How often a client had to ask again."""
        return sum(talker.caller.retried for talker in self.talkers)


@asynccontextmanager
async def talking(town: Cluster) -> AsyncIterator[Load]:
    """Have people talk while inside; afterwards everything is checked."""
    load, over = Load(await town.talkers(PEOPLE)), asyncio.Event()
    tasks = [asyncio.create_task(talker.talk(over)) for talker in load.talkers]
    try:
        yield load
    finally:
        over.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    for talker in load.talkers:
        await _nothing_lost_doubled_or_read_across(town, talker)
    await _all_learnt(town)
    print(f"{len(load.said)} messages of {PEOPLE} people; clients asked again {load.retries()} times")  # noqa: T201


async def _nothing_lost_doubled_or_read_across(town: Cluster, talker: Talker) -> None:
    stored = tables.messages
    async with town.ledger.database.reading() as connection:
        query = select(stored).where(stored.c.conversation_id == talker.conversation).order_by(stored.c.seq)
        rows: list[Any] = list((await connection.execute(query)).all())
    assert {row.person_id for row in rows} == {talker.person}
    theirs = [row for row in rows if row.role == "user"]
    assert [(row.client_message_id, row.text) for row in theirs] == [(said.name, said.text) for said in talker.said]
    replies = Counter(row.parent_id for row in rows if row.role == "assistant")
    assert all(replies[row.id] == 1 for row in theirs), "each message has one reply"
    texts = {row.parent_id: row.text for row in rows if row.role == "assistant"}
    for row, said in zip(theirs, talker.said, strict=True):
        assert said.reply == texts[row.id]
        assert said.acknowledged
    assert talker.wrong == []


async def _all_learnt(town: Cluster) -> None:
    """Every message was reflected on, once and to the end, whichever workers died over it."""
    deadline = time.monotonic() + SETTLED_S
    while True:
        counts = await town.ledger.jobs.counts()
        if not counts["pending"] + counts["running"]:
            break
        assert time.monotonic() < deadline, f"jobs are left: {counts}"
        await asyncio.sleep(0.2)
    assert counts["failed"] == 0


@pytest.fixture(scope="module", params=["scripted", pytest.param("vllm", marks=pytest.mark.vllm)])
def kind(request: pytest.FixtureRequest) -> str:
    """What the model servers are."""
    return str(request.param)


@pytest.fixture(scope="module")
def model_server(kind: str, tmp_path_factory: pytest.TempPathFactory) -> ModelServer:
    """Scripted ones, or real vLLMs on a tiny random model."""
    if kind == "scripted":
        return scripted
    from training.tiny import make_tiny_qwen3

    return partial(
        vllm, make_tiny_qwen3(tmp_path_factory.mktemp("tiny") / "model", seed=4, layers=LAYERS, endless=True)
    )


@pytest.fixture
async def town(tmp_path: Path, model_server: ModelServer, kind: str) -> AsyncIterator[Cluster]:
    """A cluster in which a policy on both model servers is live."""
    (tmp_path / "cluster").mkdir(mode=0o711)
    async with cluster(tmp_path / "cluster", model_server) as town:
        await _roll_out(town, tmp_path, "p1", kind)
        yield town


async def _roll_out(town: Cluster, directory: Path, version: str, kind: str) -> None:
    if kind == "vllm":
        path = await asyncio.to_thread(make_lora, directory / version, seed=int(version[1:]), layers=LAYERS)
    else:
        path = policies.adapter(directory / version, version)
    spec = policies.spec(version, path, *town.model_urls)
    await town.admin.ask("POST", "/v1/admin/policies", spec.model_dump(mode="json"))
    await town.admin.ask("POST", f"/v1/admin/policies/{version}/activate")


async def _serves(url: str, name: str) -> bool:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        listed = (await client.get(f"{url}/models")).raise_for_status().json()["data"]
    return name in {model["id"] for model in listed}


@pytest.fixture
def table() -> Iterator[list[str]]:
    """Lines that are printed at the end."""
    lines: list[str] = []
    yield lines
    print("\n" + "\n".join(lines))  # noqa: T201


async def _killed(part: Part, load: Load, table: list[str]) -> None:
    before = load.retries()
    moment = time.monotonic()
    await part.kill()
    answered = asyncio.create_task(load.everybody_answered_since(moment))
    ready_s = await part.start()
    table.append(f"| {part.name} | {await answered:.1f} | {ready_s:.1f} | {load.retries() - before} |")
    await load.everybody_answered_since(time.monotonic())


async def test_any_part_may_be_killed_under_load_and_nothing_is_lost_doubled_or_read_across(
    town: Cluster, table: list[str]
) -> None:
    table += ["| killed | s until everybody was answered again | s until it was ready again | asked again |"]
    table += ["|---|---|---|---|"]
    async with talking(town) as load:
        await load.everybody_answered_since(time.monotonic())
        for part in town.parts:
            if part.name in (ONLY or [part.name]):
                await _killed(part, load, table)


async def test_restarting_the_backends_in_turn_loses_no_request(town: Cluster, table: list[str]) -> None:
    async with talking(town) as load:
        await load.everybody_answered_since(time.monotonic())
        for part in (*town.serves, *town.works):
            assert await part.stop() == 0
            ready_s = await part.start()
            answered_s = await load.everybody_answered_since(time.monotonic())
            table.append(f"{part.name} ended with 0, was ready after {ready_s:.1f} s, all answered in {answered_s:.1f}")


async def test_a_policy_goes_live_and_back_on_both_model_servers_under_load(
    town: Cluster, tmp_path: Path, kind: str, table: list[str]
) -> None:
    async with talking(town) as load:
        await load.answered_by("p1", time.monotonic())
        moment = time.monotonic()
        await _roll_out(town, tmp_path, "p2", kind)
        await load.answered_by("p2", moment)
        table.append(f"p2 answered everybody after {time.monotonic() - moment:.1f} s")
        assert [await _serves(url, "attune-p2") for url in town.model_urls] == [True, True]
        if kind == "scripted":  # which says its name
            by = {(said.reply or "").split()[0] for said in load.said if said.version == "p2"}
            table.append(f"on {', '.join(sorted(by))}; each person keeps to one")
        moment = time.monotonic()
        await town.admin.ask("POST", "/v1/admin/policies/rollback", {"reason": "to see it go"})
        await load.answered_by("p1", moment)
        table.append(f"p1 answered everybody again after {time.monotonic() - moment:.1f} s")
    late = [said for said in load.said if said.version == "p2" and said.sent_at > moment + 2]
    assert late == []


async def test_a_person_is_erased_through_a_backend_while_a_worker_dies(town: Cluster) -> None:
    async with talking(town) as load:
        await load.everybody_answered_since(time.monotonic())
        gone = (await town.talkers(1))[0]
        over = asyncio.Event()
        last = asyncio.create_task(gone.talk(over))
        while not any(said.complete for said in gone.said):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        over.set()
        await last
        erasing = asyncio.create_task(gone.caller.ask("DELETE", "/v1/me"))
        await town.works[0].kill()
        receipt = await erasing
        assert (receipt["verified"], receipt["remaining"]) == (True, 0)
        await town.works[0].start()
    kept = tables.messages
    async with town.ledger.database.reading() as connection:
        left = await connection.execute(select(kept.c.id).where(kept.c.person_id == gone.person))
    assert left.all() == []
