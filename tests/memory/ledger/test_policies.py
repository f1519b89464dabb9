import asyncio

import pytest

from memory.errors import ConflictError, NotFoundError
from memory.ledger.ledger import Ledger


async def test_a_version_is_registered_once_and_never_means_something_else(ledger: Ledger) -> None:
    policy = await ledger.policies.create("p1", "paper", "abc", {"adapter": "p1-lora"})
    assert policy.stage == "registered"
    assert await ledger.policies.get("p1") == policy
    with pytest.raises(ConflictError, match="p1"):
        await ledger.policies.create("p1", "full", "def")
    with pytest.raises(NotFoundError):
        await ledger.policies.get("p2")


async def test_one_policy_is_live_and_making_another_live_retires_it(ledger: Ledger) -> None:
    assert await ledger.policies.live() is None
    for version in ("p1", "p2"):
        await ledger.policies.create(version, "full", "abc")
    await ledger.policies.set_stage("p1", "live")
    live = await ledger.policies.set_stage("p2", "live")
    assert await ledger.policies.live() == live
    assert [(policy.version, policy.stage) for policy in await ledger.policies.list()] == [
        ("p1", "retired"),
        ("p2", "live"),
    ]


async def test_activating_several_at_once_leaves_one_live(ledger: Ledger) -> None:
    versions = [f"p{number}" for number in range(8)]
    for version in versions:
        await ledger.policies.create(version, "full", "abc")
    await asyncio.gather(*(ledger.policies.set_stage(version, "live") for version in versions))
    assert [policy.stage for policy in await ledger.policies.list()].count("live") == 1


async def test_a_stage_for_an_unknown_version_leaves_the_live_one(ledger: Ledger) -> None:
    await ledger.policies.create("p1", "full", "abc")
    live = await ledger.policies.set_stage("p1", "live")
    with pytest.raises(NotFoundError):
        await ledger.policies.set_stage("p2", "live")
    assert await ledger.policies.live() == live
