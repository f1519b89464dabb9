import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from assistant.config import AssistantConfig, PoliciesConfig
from assistant.policies import Registry
from assistant.rollout.answering import Answering, PromptMismatchError
from memory.config import MemoryConfig
from memory.ledger.ledger import Ledger
from tests.fakes import policies
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.scripted_server import ScriptedServer

SETTINGS = PoliciesConfig(gates=(), poll_s=0.05, keep_s=0.05)
CONVERSATIONS = [f"conv_{number}" for number in range(2000)]


@asynccontextmanager
async def following(home: Path, model: ScriptedModel | None = None) -> AsyncIterator[tuple[Ledger, Answering]]:
    """One backend's view of a ledger."""
    config = AssistantConfig(home=home, policies=SETTINGS)
    async with Ledger.open(MemoryConfig(home=home)) as ledger:
        answering = Answering(ledger, model or ScriptedModel(), config)
        async with answering.following():
            yield ledger, answering


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(takes_loras=True) as server:
        yield server


async def register(ledger: Ledger, home: Path, server: ScriptedServer, *versions: str) -> Registry:
    """Register adapters of these versions."""
    registry = Registry(ledger, AssistantConfig(home=home, policies=SETTINGS))
    for version in versions:
        path = policies.adapter(home / version, version)
        await registry.register(policies.spec(version, path, server.base_url), "operator")
    return registry


async def until(answering: Answering, version: str) -> None:
    async with asyncio.timeout(30):
        while answering.live.version != version:  # noqa: ASYNC110 - nothing tells when a poll has been
            await asyncio.sleep(0.01)


async def test_without_a_policy_the_configured_model_answers_under_its_own_name(tmp_path: Path) -> None:
    async with following(tmp_path) as (_, answering):
        assert answering.choose("conv_1").version == "openai_compatible:scripted"


async def test_every_backend_follows_an_activation_and_a_rollback_made_elsewhere(
    tmp_path: Path, server: ScriptedServer
) -> None:
    async with (
        following(tmp_path) as (_, first),
        following(tmp_path) as (_, second),
        Ledger.open(MemoryConfig(home=tmp_path)) as elsewhere,
    ):
        registry = await register(elsewhere, tmp_path, server, "p1")
        await registry.activate("p1", "operator")
        for answering in (first, second):
            await until(answering, "p1")
            assert answering.choose("conv_1").config.model == "attune-p1"
        await registry.roll_back("operator")
        for answering in (first, second):
            await until(answering, "openai_compatible:scripted")


async def test_a_canary_gets_its_share_and_keeps_each_conversation(tmp_path: Path, server: ScriptedServer) -> None:
    async with following(tmp_path) as (ledger, answering):
        registry = await register(ledger, tmp_path, server, "p1")

        async def chosen(percent: float) -> set[str]:
            await registry.canary("p1", percent, "operator")
            await answering.refresh()
            return {id for id in CONVERSATIONS if answering.choose(id).version == "p1"}

        few, more = await chosen(5), await chosen(20)
        assert 60 <= len(few) <= 140 and 320 <= len(more) <= 480
        assert few < more, "raising the share takes nobody away from the canary"
        await chosen(5)
        gained = next(iter(more - few))
        assert answering.choose(gained).version != "p1"
        assert answering.choose(gained, "p1").version == "p1", "who began with the canary stays with it"
        early = next(iter(few))
        live = answering.live.version
        assert answering.choose(early, live).version == live, "who began with the live one stays with it"
        assert answering.choose(early, "p0").version == "p1", "who began with what is gone is chosen anew"


async def test_a_reply_ends_with_the_policy_it_began_with(tmp_path: Path, server: ScriptedServer) -> None:
    async with following(tmp_path) as (ledger, answering):
        registry = await register(ledger, tmp_path, server, "p1", "p2", "p3")
        await registry.activate("p1", "operator")
        await answering.refresh()
        speaking = answering.choose("conv_1")
        with answering.speaking(speaking):
            for version in ("p2", "p3"):
                await registry.activate(version, "operator")
                await answering.refresh()
            assert (await ledger.policies.get("p1")).stage == "retired"
            await speaking.model.check()
        assert answering.choose("conv_1").version == "p3"


async def test_a_policy_of_another_prompt_is_never_asked(tmp_path: Path, server: ScriptedServer) -> None:
    async with Ledger.open(MemoryConfig(home=tmp_path)) as ledger:
        path = policies.adapter(tmp_path / "p1", "p1")
        registry = Registry(ledger, AssistantConfig(home=tmp_path, policies=SETTINGS))
        await registry.register(policies.spec("p1", path, server.base_url, prompt_hash="another"), "operator")
        with pytest.raises(PromptMismatchError, match="trained with another prompt"):
            await registry.activate("p1", "operator")
        async with following(tmp_path) as (_, answering):
            await ledger.policies.activate("p1", "a program with another prompt", instead_of=None)
            await answering.refresh()
            assert answering.live.version == "openai_compatible:scripted", "what answered goes on"
        with pytest.raises(PromptMismatchError, match="attune policies rollback"):
            async with following(tmp_path):
                raise AssertionError("it started")


async def test_a_failing_canary_is_rolled_back_by_itself_and_says_so(tmp_path: Path, server: ScriptedServer) -> None:
    async with following(tmp_path) as (ledger, answering):
        registry = await register(ledger, tmp_path, server, "p1")
        await registry.canary("p1", 50, "operator")
        await answering.refresh()
        for _ in range(20):
            answering.count(answering.live.version, "answered", 80)
        for _ in range(3):
            answering.count("p1", "failed", 80)
        async with asyncio.timeout(30):
            while (policy := await ledger.policies.get("p1")).stage == "canary":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert policy.stage == "candidate"
        assert "3 of 3 turns failed" in policy.details["canary_ended"]["reason"]
        entry = (await ledger.audit.list("p1", 1))[0]
        assert (entry.actor, entry.action) == ("system", "policy.canary_ended")
        await answering.refresh()
        assert {answering.choose(id).version for id in CONVERSATIONS} == {answering.live.version}


async def test_what_a_restarted_server_forgot_is_loaded_again(tmp_path: Path, server: ScriptedServer) -> None:
    async with following(tmp_path) as (ledger, answering):
        registry = await register(ledger, tmp_path, server, "p1", "p2")
        await registry.activate("p1", "operator")
        await registry.activate("p2", "operator")
        await answering.refresh()
        server.models = ["scripted"]
        async with asyncio.timeout(30):
            while not {"attune-p1", "attune-p2"} <= set(server.models):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
