"""`attune memories` and `attune import --user`, with a running backend and without one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from assistant.cli import app
from assistant.remote import announced
from memory.config import MemoryConfig
from memory.ledger.ledger import Ledger
from memory.types import Kind, NewFact
from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_model import ScriptedModel


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTUNE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
async def backend(home: Path) -> AsyncIterator[Backend]:
    async with running(home, policy=ScriptedModel(), embedder=shared_embedder()) as backend:
        with announced(home, backend.url):
            yield backend


async def _run(*words: str) -> Result:
    """Run a command in a thread, so that the backend can answer it."""
    return await asyncio.to_thread(CliRunner().invoke, app, list(words))


async def _json(*words: str) -> Any:
    result = await _run("memories", *words, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def _inferred(text: str) -> NewFact:
    return NewFact(text, Kind.PREFERENCE, 0.6, "inferred", (), datetime.now(UTC))


async def test_memories_are_added_found_edited_and_forgotten_through_the_running_backend(backend: Backend) -> None:
    added = await _json("add", "I live in Rome.", "--kind", "background")
    assert (added["kind"], added["origin"]) == ("background", "edited")
    edited = await _json("edit", added["id"], "I live in Bari.")
    assert [one["id"] for one in await _json("list")] == [edited["id"]]
    assert [one["id"] for one in await _json("list", "--status", "superseded")] == [added["id"]]
    assert await _json("search", "Rome") == []
    assert [one["text"] for one in await _json("search", "bari")] == ["I live in Bari."]
    shown = (await _run("memories", "show", added["id"])).stdout
    assert "superseded" in shown and "I live in Rome." in shown and "until" in shown
    planned = await _json("forget", edited["id"], "--dry-run")
    assert planned["dry_run"] and set(planned["forgotten"]) == {added["id"], edited["id"]}
    assert len(await _json("list")) == 1
    receipt = (await _run("memories", "forget", edited["id"], "--yes")).stdout
    assert "facts" in receipt
    assert await _json("list") == []


async def test_the_review_queue_is_worked_off_by_confirming_and_declining(backend: Backend) -> None:
    owner, ledger = backend.runtime.owner.id, backend.runtime.ledger
    right, wrong = [await ledger.facts.add(owner, _inferred(text)) for text in ("Likes tea", "Likes war films")]
    waiting = (await _run("memories", "list", "--status", "unconfirmed")).stdout.splitlines()
    assert [line.split("  ")[2] for line in waiting] == ["unconfirmed", "unconfirmed"]
    assert (await _json("confirm", right.id))["review"] == "confirmed"
    assert (await _json("decline", wrong.id))["review"] == "declined"
    assert await _json("list", "--status", "unconfirmed") == []
    assert [one["text"] for one in await _json("list")] == ["Likes tea"]


async def test_what_is_wrong_is_said_in_a_sentence(backend: Backend) -> None:
    assert str((await _run("memories", "show", "fact_none")).exception).startswith("no fact")
    assert "nobody" in str((await _run("memories", "list", "--user", "nobody")).exception)
    assert "kind" in str((await _run("memories", "add", "I row.", "--kind", "sport")).exception)


async def test_without_a_backend_the_same_is_answered(home: Path) -> None:
    async with Ledger.open(MemoryConfig(home=home)) as ledger:
        person = await ledger.users.create("ada")
        fact = await ledger.facts.add(person.id, _inferred("Likes tea"))
    (listed,) = await _json("list", "--user", "ada")
    assert (listed["id"], listed["text"]) == (fact.id, "Likes tea")
    assert await _json("list") == []


async def test_an_import_for_somebody_new_makes_them_with_a_running_backend_too(
    backend: Backend, tmp_path: Path
) -> None:
    file = tmp_path / "chats.jsonl"
    line = {"conversation": "1", "role": "user", "content": "I am a nurse.", "created_at": "2026-01-01T10:00:00Z"}
    file.write_text(json.dumps(line), encoding="utf-8")
    for _ in range(2):
        result = await _run("import", "jsonl", str(file), "--user", "somebody new")
        assert result.exit_code == 0, result.exception
    (memory,) = await _json("list", "--user", "somebody new")
    assert memory["text"] == "I am a nurse."
