"""kill -9 of whoever moves the policies, at every step and at any moment: never two live, never none."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from assistant.config import AssistantConfig, PoliciesConfig
from assistant.errors import ConflictError
from assistant.policies import Registry
from memory import errors as memory_errors
from memory.config import MemoryConfig
from memory.ledger.ledger import Ledger
from tests.fakes import policies
from tests.fakes.scripted_server import ScriptedServer

ROOT = Path(__file__).parent.parent.parent
SCRIPT = Path(__file__).parent / "crashing_registry.py"
STEPS = {
    "activate": ("checked", "loaded", "warm", "moved"),
    "canary": ("loaded", "warm", "moved"),
    "rollback": ("checked", "moved"),
    "retire": ("moved",),
}
CASES = [(act, step) for act, steps in STEPS.items() for step in steps]


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(takes_loras=True) as server:
        yield server


async def prepare(home: Path, server: ScriptedServer) -> None:
    """Three versions: the second is live, the first the previous one."""
    async with Ledger.open(MemoryConfig(home=home)) as ledger:
        registry = Registry(ledger, AssistantConfig(home=home, policies=PoliciesConfig(gates=())))
        for version in ("p1", "p2", "p3"):
            path = policies.adapter(home / version, version)
            await registry.register(policies.spec(version, path, server.base_url), "operator")
        await registry.activate("p1", "operator")
        await registry.activate("p2", "operator")


async def run(home: Path, act: str, version: str, fatal: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, str(SCRIPT), str(home), act, version, fatal, cwd=ROOT)


async def stages(home: Path) -> dict[str, str]:
    async with Ledger.open(MemoryConfig(home=home)) as ledger:
        return {policy.version: policy.stage for policy in await ledger.policies.list()}


async def acts(home: Path) -> list[str]:
    async with Ledger.open(MemoryConfig(home=home)) as ledger:
        return [entry.action for entry in await ledger.audit.list()]


@pytest.mark.parametrize(("act", "step"), CASES)
async def test_killed_at_any_step_one_is_live_and_doing_it_again_completes_it(
    act: str, step: str, tmp_path: Path, server: ScriptedServer
) -> None:
    await prepare(tmp_path, server)
    version = "p1" if act == "retire" else "p3"
    before, acts_before = await stages(tmp_path), await acts(tmp_path)
    assert await (await run(tmp_path, act, version, step)).wait() == -9
    after = await stages(tmp_path)
    assert (after == before) == (step != "moved")
    assert list(after.values()).count("live") == 1
    done = [f"policy.{act}"] if step == "moved" else []
    assert await acts(tmp_path) == done + acts_before, "what was done is on record, and nothing else"

    async with Ledger.open(MemoryConfig(home=tmp_path)) as ledger:
        registry = Registry(ledger, AssistantConfig(home=tmp_path, policies=PoliciesConfig(gates=())))
        again = {
            "activate": lambda: registry.activate(version, "operator"),
            "canary": lambda: registry.canary(version, 10, "operator"),
            "rollback": lambda: registry.roll_back("operator"),
            "retire": lambda: registry.retire(version, "operator"),
        }
        with suppress(ConflictError, memory_errors.ConflictError):  # what is done already is said so
            await again[act]()
    final = {
        "activate": {"p1": "retired", "p2": "previous", "p3": "live"},
        "canary": {"p1": "previous", "p2": "live", "p3": "canary"},
        "rollback": {"p1": "live", "p2": "candidate", "p3": "candidate"},
        "retire": {"p1": "retired", "p2": "live", "p3": "candidate"},
    }
    configured = {"configured": "retired"}
    assert await stages(tmp_path) == {**configured, **final[act]}


@pytest.mark.slow
async def test_killed_at_any_moment_while_two_move_policies_one_is_live(tmp_path: Path, server: ScriptedServer) -> None:
    await prepare(tmp_path, server)
    chance = random.Random(7)
    for _ in range(6):
        movers = [await run(tmp_path, act, "p3", "never") for act in ("activate", "rollback")]
        await asyncio.sleep(chance.uniform(0.3, 1.5))
        for process in movers:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        found = list((await stages(tmp_path)).values())
        assert found.count("live") == 1 and found.count("previous") <= 1
    async with Ledger.open(MemoryConfig(home=tmp_path)) as ledger:
        registry = Registry(ledger, AssistantConfig(home=tmp_path, policies=PoliciesConfig(gates=())))
        with suppress(ConflictError, memory_errors.ConflictError):
            await registry.activate("p3", "operator")
        assert (await ledger.policies.live()) is not None
