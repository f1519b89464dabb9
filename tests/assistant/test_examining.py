"""`attune doctor` beside a running backend, which alone may open the index."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from assistant.config import AssistantConfig
from assistant.examining import Finding, examine
from assistant.owner import FILE
from assistant.remote import announced, find
from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.facts import fact
from tests.fakes.scripted_model import ScriptedModel


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[Backend]:
    """One that has learned a fact and says where it runs, as `attune serve` does."""
    async with running(tmp_path, policy=ScriptedModel(default="Yes."), embedder=shared_embedder()) as backend:
        await backend.say(await backend.conversation(), "My dog Biscuit has a bad hip.")
        assert await backend.memories()
        with announced(tmp_path, backend.url):
            yield backend


async def examined(home: Path, config: AssistantConfig) -> dict[str, Finding]:
    """What the doctor finds; on a thread of its own, as it is a process of its own."""
    found = await asyncio.to_thread(lambda: asyncio.run(examine(config, find(home))))
    return {finding.what: finding for finding in found}


async def test_the_running_backend_is_asked_whether_its_index_agrees(backend: Backend, tmp_path: Path) -> None:
    config = AssistantConfig(home=tmp_path)
    assert (await examined(tmp_path, config))["index"] == Finding(
        "index", True, "1 facts, 0 missing from the index, 0 orphaned in it"
    )
    runtime = backend.runtime
    [memory] = await backend.memories()
    await runtime.index.forget(runtime.owner.id, [memory["id"]])
    await runtime.index.add(fact(runtime.owner.id, "I like tea."))
    index = (await examined(tmp_path, config))["index"]
    assert not index.ok
    assert index.detail == (
        "1 facts, 1 missing from the index, 1 orphaned in it. Repair: attune doctor --rebuild-index"
    )


async def test_without_a_key_the_doctor_says_what_was_not_compared_and_the_repair(
    backend: Backend, tmp_path: Path
) -> None:
    (tmp_path / FILE).unlink()
    keyless = await examined(tmp_path, AssistantConfig(home=tmp_path))
    assert keyless["backend"].ok
    assert not keyless["index"].ok
    assert "no key of the local owner is at hand. Repair: give ATTUNE_OWNER_KEY" in keyless["index"].detail
    wrong = await examined(tmp_path, AssistantConfig(home=tmp_path, owner_key="of another house"))
    assert not wrong["index"].ok
    assert "Repair: give ATTUNE_OWNER_KEY" in wrong["index"].detail
    given = await examined(tmp_path, AssistantConfig(home=tmp_path, owner_key=backend.key))
    assert given["index"].ok
