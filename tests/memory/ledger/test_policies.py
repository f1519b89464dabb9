import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from memory.config import MemoryConfig
from memory.errors import ConflictError, MemoryLayerError, NotFoundError
from memory.ledger.datasets import DatasetRow
from memory.ledger.going import Target
from memory.ledger.ledger import Ledger
from memory.types import MessageStatus

CONFIGURED: dict[str, Any] = {"version": "configured", "preset": "full", "prompt_hash": "abc"}


async def stages(ledger: Ledger) -> dict[str, str]:
    return {policy.version: policy.stage for policy in await ledger.policies.list()}


async def register(ledger: Ledger, *versions: str) -> None:
    for version in versions:
        await ledger.policies.create(version, "full", "abc")


async def test_a_version_is_registered_once_and_never_means_something_else(ledger: Ledger) -> None:
    policy = await ledger.policies.create("p1", "paper", "abc", {"path": "/models/p1"}, kind="lora")
    assert (policy.stage, policy.kind, policy.details) == ("candidate", "lora", {"path": "/models/p1"})
    assert await ledger.policies.get("p1") == policy
    with pytest.raises(ConflictError, match="p1"):
        await ledger.policies.create("p1", "full", "def")
    with pytest.raises(NotFoundError):
        await ledger.policies.get("p2")


async def test_one_policy_is_live_and_what_was_stays_as_the_previous_one(ledger: Ledger) -> None:
    assert await ledger.policies.live() is None
    await register(ledger, "p1", "p2", "p3")
    await ledger.policies.activate("p1", "key", instead_of=None)
    await ledger.policies.activate("p2", "key", instead_of="p1")
    assert await stages(ledger) == {"p1": "previous", "p2": "live", "p3": "candidate"}
    await ledger.policies.activate("p3", "key", instead_of="p2")
    assert await stages(ledger) == {"p1": "retired", "p2": "previous", "p3": "live"}
    assert set(await ledger.policies.in_use()) == {"live", "previous"}


async def test_the_first_activation_keeps_the_configured_model_to_roll_back_to(ledger: Ledger) -> None:
    await register(ledger, "p1")
    await ledger.policies.activate("p1", "key", instead_of=None, configured=CONFIGURED)
    assert await stages(ledger) == {"configured": "previous", "p1": "live"}
    assert (await ledger.policies.roll_back("key")).kind == "configured"
    assert await stages(ledger) == {"configured": "live", "p1": "candidate"}


async def test_rolling_back_twice_does_not_bring_the_bad_one_back(ledger: Ledger) -> None:
    await register(ledger, "p1", "p2")
    await ledger.policies.activate("p1", "key", instead_of=None)
    with pytest.raises(ConflictError, match="nothing to roll back to: p1"):
        await ledger.policies.roll_back("key")
    await ledger.policies.activate("p2", "key", instead_of="p1")
    await ledger.policies.roll_back("key", "people complain")
    with pytest.raises(ConflictError, match="nothing to roll back to"):
        await ledger.policies.roll_back("key")
    assert await stages(ledger) == {"p1": "live", "p2": "candidate"}


async def test_a_canary_has_its_share_and_counts_from_its_own_beginning(ledger: Ledger) -> None:
    await register(ledger, "p1", "p2")
    await ledger.policies.start_canary("p1", 5, "key")
    await ledger.policy_turns.add({("p1", "answered", 100): 3})
    await ledger.policy_turns.add({("p1", "answered", 100): 2})
    assert (await ledger.policies.start_canary("p1", 20, "key")).canary_percent == 20
    assert await ledger.policy_turns.counted() == {("p1", "answered", 100): 5}
    await ledger.policies.start_canary("p2", 5, "key")
    assert await stages(ledger) == {"p1": "candidate", "p2": "canary"}
    assert await ledger.policy_turns.counted() == {}


async def test_a_canary_is_stopped_once_and_says_why(ledger: Ledger) -> None:
    await register(ledger, "p1")
    await ledger.policies.start_canary("p1", 5, "key")
    stopped = await asyncio.gather(*(ledger.policies.stop_canary("p1", "system", "it fails") for _ in range(4)))
    assert sorted(stopped) == [False, False, False, True]
    policy = await ledger.policies.get("p1")
    assert (policy.stage, policy.canary_percent) == ("candidate", None)
    assert policy.details["canary_ended"]["reason"] == "it fails"


async def test_activating_several_at_once_leaves_one_live(ledger: Ledger) -> None:
    versions = [f"p{number}" for number in range(8)]
    await register(ledger, *versions)
    tries = (ledger.policies.activate(version, "key", instead_of=None) for version in versions)
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, ConflictError) for result in results) == 7
    assert list((await stages(ledger)).values()).count("live") == 1


async def test_what_was_decided_on_another_live_policy_is_refused(ledger: Ledger) -> None:
    await register(ledger, "p1", "p2", "p3")
    await ledger.policies.activate("p1", "key", instead_of=None)
    await ledger.policies.activate("p2", "key", instead_of="p1")
    with pytest.raises(ConflictError, match="'p2' is live by now"):
        await ledger.policies.activate("p3", "key", instead_of="p1")
    with pytest.raises(NotFoundError):
        await ledger.policies.activate("p9", "key", instead_of="p2")
    with pytest.raises(ConflictError, match="activate another"):
        await ledger.policies.retire("p2", "key")
    assert await stages(ledger) == {"p1": "previous", "p2": "live", "p3": "candidate"}


async def test_every_change_is_in_the_audit_with_who_made_it(ledger: Ledger) -> None:
    await ledger.policies.create("p1", "full", "abc", actor="key_1")
    await ledger.policies.start_canary("p1", 5, "key_2")
    await ledger.policies.activate("p1", "key_3", instead_of=None, configured=CONFIGURED)
    await ledger.policies.roll_back("key_4", "worse")
    acts = [(entry.actor, entry.action, entry.subject) for entry in await ledger.audit.list()]
    assert acts == [
        ("key_4", "policy.rollback", "configured"),
        ("key_3", "policy.activate", "p1"),
        ("key_2", "policy.canary", "p1"),
        ("key_1", "policy.register", "p1"),
    ]


async def _with_place(ledger: Ledger, dataset: str, manifest: str) -> str:
    """A new person whose data went into a data set."""
    person = (await ledger.users.create()).id
    await ledger.settings.update(person, training=True)
    await ledger.datasets.begin(dataset)
    place = await ledger.datasets.place(dataset, person)
    assert place is not None

    async def rows() -> AsyncIterator[DatasetRow]:
        yield DatasetRow(f"row of {place.alias}", place.alias, ())

    await ledger.datasets.finish(dataset, "/data", manifest, rows())
    return person


async def test_a_policy_names_who_it_saw_and_once_one_is_erased_is_marked_without_a_name(ledger: Ledger) -> None:
    await ledger.policies.create("p1", "full", "abc", data_manifest="m1")
    await ledger.policies.create("p2", "full", "abc", data_manifest="m2")
    await ledger.policies.create("p3", "full", "abc")
    erin, finn, other = [await _with_place(ledger, f"d{n}", f"m{n}") for n in (1, 1, 2)]
    assert await ledger.policies.people("p1") == sorted([erin, finn])
    assert await ledger.policies.people("p3") == []
    job = await ledger.jobs.enqueue(erin, "forget", {})
    await ledger.erasures.erase(erin, Target("person"), job.id)
    await ledger.erasures.delete_person(erin)
    assert [policy.tainted_at is not None for policy in await ledger.policies.list()] == [True, False, False]
    assert await ledger.policies.people("p1") == [finn]
    assert await ledger.policies.people("p2") == [other]
    marked = await ledger.policies.get("p1")
    assert marked.tainted_at is not None and marked.tainted_at.hour == marked.tainted_at.microsecond == 0
    assert marked.updated_at == marked.created_at
    assert erin not in repr(await ledger.audit.list()) + repr(await ledger.policies.list())


async def test_what_people_make_of_replies_is_told_by_version(ledger: Ledger) -> None:
    person = (await ledger.users.create()).id
    conversation = (await ledger.conversations.create(person)).id
    said = (await ledger.messages.append(person, conversation, "user", "hi")).message.id
    replies: list[tuple[str, MessageStatus]] = [("p1", "complete"), ("p2", "partial")]
    for version, status in replies:
        reply = await ledger.messages.append(
            *(person, conversation, "assistant", version, said), status=status, explanation={"policy_version": version}
        )
        await ledger.feedback.put(person, reply.message.id, "up" if version == "p2" else "down")
    usage = await ledger.policy_turns.usage()
    assert (usage["p1"].replies, usage["p1"].regenerated, usage["p1"].disliked) == (1, 1, 1)
    assert (usage["p2"].partial, usage["p2"].regenerated, usage["p2"].liked) == (1, 0, 1)


VERSIONS = ("p1", "p2", "p3")
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["activate", "roll_back", "start_canary", "stop_canary", "retire"]), st.sampled_from(VERSIONS)
    ),
    max_size=12,
)


@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(acts=ACTS)
async def test_whatever_is_done_in_whatever_order_there_is_never_none_after_the_first(
    acts: list[tuple[str, str]], memory_config: MemoryConfig
) -> None:
    async with Ledger.open(memory_config) as ledger:
        if not await ledger.policies.list():
            await register(ledger, *VERSIONS)
        for act, version in acts:
            before = await ledger.policies.live()
            with suppress(MemoryLayerError):
                await _do(ledger, act, version, before.version if before else None)
            if before is not None or act == "activate":
                assert await ledger.policies.live() is not None
            taken = [stage for stage in (await stages(ledger)).values() if stage in ("live", "canary", "previous")]
            assert len(taken) == len(set(taken))


def _do(ledger: Ledger, act: str, version: str, live: str | None) -> Awaitable[object]:
    policies = ledger.policies
    if act == "activate":
        return policies.activate(version, "key", instead_of=live)
    if act == "roll_back":
        return policies.roll_back("key")
    if act == "start_canary":
        return policies.start_canary(version, 10, "key")
    if act == "stop_canary":
        return policies.stop_canary(version, "key", "why")
    return policies.retire(version, "key")
