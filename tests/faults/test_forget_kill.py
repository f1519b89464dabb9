"""kill -9 after any step of forgetting: the next start finishes it, and no byte is left."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from memory.config import MemoryConfig, ReflectionConfig
from memory.forget import Forgetting
from memory.index import Index
from memory.ledger.jobs import FORGET
from memory.ledger.ledger import Ledger
from memory.queue import ReflectionWorker
from memory.types import Evidence, Kind, NewFact
from tests.fakes.embedding import shared_embedder
from tests.fakes.traces import in_files

ROOT = Path(__file__).parent.parent.parent
SCRIPT = Path(__file__).parent / "crashing_forget.py"
GONE, KEPT = "unmentionable bees", "ordinary rowing"
STEPS = ("enqueued", "ledger", "index", "files", "scrubbed", "deleted", "verified")
CASES = [(scope, step) for scope in ("message", "person") for step in STEPS if (scope, step) != ("message", "deleted")]


async def plant(home: Path) -> tuple[str, str, str]:
    """Have two people learnt about; returns the first, the second, and the first's message."""
    config = MemoryConfig(home=home)
    people, messages = [], []
    async with Ledger.open(config) as ledger, Index.open(config, shared_embedder()) as index:
        for text in (GONE, KEPT):
            person = (await ledger.users.create()).id
            conversation = await ledger.conversations.create(person)
            said = (await ledger.messages.append(person, conversation.id, "user", f"My {text}.")).message
            evidence = (Evidence(said.id, said.text),)
            new = NewFact(f"Has {text}", Kind.OTHER, 0.9, "stated", evidence, datetime.now(UTC))
            await index.add(await ledger.facts.add(person, new))
            people.append(person)
            messages.append(said.id)
    return people[0], people[1], messages[0]


@pytest.mark.parametrize(("scope", "step"), CASES)
async def test_killed_after_any_step_forgetting_is_finished_at_the_next_start(
    scope: str, step: str, tmp_path: Path
) -> None:
    person, other, message = await plant(tmp_path)
    ids = [message] if scope == "message" else []
    command = [sys.executable, str(SCRIPT), str(tmp_path), step, person, scope, *ids]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    assert await process.wait() == -9

    config = MemoryConfig(home=tmp_path)
    async with Ledger.open(config) as ledger, Index.open(config, shared_embedder()) as index:
        forgetting = Forgetting(ledger, index, tmp_path)
        worker = ReflectionWorker(
            *(ledger, index, None, ReflectionConfig(), "w1"),
            handlers={FORGET: forgetting.run},
            chores=(forgetting.tidy,),
        )
        assert await worker.drain(240)
        assert {job.status for job in await ledger.jobs.list()} <= {"done"}
        assert in_files(tmp_path, GONE) == []
        assert await index.ids(person) == set()
        assert len(await index.ids(other)) == 1
    assert in_files(tmp_path, GONE) == []
    assert in_files(tmp_path, KEPT) != []
