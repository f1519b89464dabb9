"""Work elsewhere: what refuses SQLite, how a worker says that it is well, and the owner's key that is given."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from assistant.config import AssistantConfig, ModelConfig, ServerConfig, WorkerConfig
from assistant.errors import ConfigError
from assistant.learning import open_learning
from assistant.owner import ensure_owner_key, owner_key
from assistant.runtime import open_runtime, require_keys
from assistant.work import health_app, work
from memory.config import MemoryConfig
from memory.errors import ConflictError
from memory.ledger.ledger import Ledger
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_model import ScriptedModel

GIVEN = "attune_" + "k" * 32


def config_of(home: Path, *, worker: bool = True) -> AssistantConfig:
    rules = ModelConfig(engine="builtin")
    server, health = ServerConfig(worker=worker), WorkerConfig(port=0)
    return AssistantConfig(home=home, discover=False, policy=rules, server=server, worker=health)


async def test_a_worker_of_its_own_needs_a_ledger_that_others_can_open(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"SQLite does not allow: set memory\.database_url"):
        await work(config_of(tmp_path))
    with pytest.raises(ConfigError, match=r"--no-worker.*set memory\.database_url"):
        async with open_runtime(config_of(tmp_path, worker=False), embedder=shared_embedder()):
            pass


async def test_a_worker_says_how_it_is_until_it_stops(tmp_path: Path) -> None:
    opening = open_learning(config_of(tmp_path), policy=ScriptedModel(), embedder=shared_embedder())
    async with opening as base:
        await base.embedder.ready()
        stop = asyncio.Event()
        app = health_app(base, base.worker(), stop)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
            assert (await client.get("/healthz")).json() == {"status": "alive"}
            ready = await client.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (200, "ready")
            assert "attune_jobs" in (await client.get("/metrics")).text
            stop.set()
            ready = await client.get("/readyz")
            assert (ready.status_code, ready.json()["checks"]["work"]) == (503, "stopping")


async def test_the_owners_key_that_is_given_is_that_of_every_data_directory(tmp_path: Path) -> None:
    async with Ledger.open(MemoryConfig(home=tmp_path / "ledger")) as ledger:
        owner = await ledger.users.owner()
        with pytest.raises(ConfigError, match="attune keys create"):
            await require_keys(ledger, "0.0.0.0")
        await require_keys(ledger, "0.0.0.0", owner_key=True)
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            assert await ensure_owner_key(tmp_path / name, ledger, owner, GIVEN) == GIVEN
            assert owner_key(tmp_path / name) == GIVEN
        assert len(await ledger.keys.list()) == 1
        found = await ledger.keys.verify(GIVEN)
        assert found is not None and (found.kind, found.person_id) == ("owner", owner.id)
        with pytest.raises(ConflictError, match="shorter than 32"):
            await ensure_owner_key(tmp_path / "one", ledger, owner, "guessed")
