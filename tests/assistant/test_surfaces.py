"""The same level and the same card on every surface: 200 mixed messages, each as the first of a conversation."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from assistant.safety.resources import card_text
from assistant.wire import ResourceCard
from tests.fakes.backend import Backend, running
from tests.fakes.scripted_model import ScriptedModel
from tui.card import plain_lines

LINES = Path(__file__).parents[1] / "data" / "safety_lines.jsonl"
TURNS = 200
REPLY = "I hear you."


@dataclass(frozen=True, slots=True)
class Seen:
    """What a surface made of one message."""

    level: str
    card: ResourceCard | None


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[Backend]:
    """A backend that need not learn from what it screens."""
    async with running(tmp_path / "backend", policy=ScriptedModel(default=REPLY)) as backend:
        off = await backend.client.patch("/v1/me/settings", json={"memory": False, "persona": False})
        assert off.is_success
        yield backend


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_every_surface_screens_alike_and_shows_the_same_card(backend: Backend, tmp_path: Path) -> None:
    lines = [json.loads(line)["text"] for line in LINES.read_text(encoding="utf-8").splitlines()]
    texts = lines[:: len(lines) // TURNS][:TURNS]
    assert len(texts) == TURNS
    seen = [await natively(backend, text) for text in texts]
    assert sum(one.card is not None for one in seen) >= 20
    for text, one in zip(texts, seen, strict=True):
        assert await as_openai(backend, text) == (one.level, "" if one.card is None else card_text(one.card)), text
    shown = ["".join(f"— {line}\n" for line in plain_lines(one.card)) if one.card else "" for one in seen]
    levels, printed = await in_the_terminal(backend, texts, tmp_path)
    assert printed == shown
    assert levels == [one.level for one in seen]


async def natively(backend: Backend, text: str) -> Seen:
    """Say it through the native surface."""
    safety = (await backend.say(await backend.conversation(), text)).json()["safety"] or {"level": "none"}
    card = safety.get("resources")
    return Seen(safety["level"], None if card is None else ResourceCard.model_validate(card))


async def as_openai(backend: Backend, text: str) -> tuple[str, str]:
    """Say it as an OpenAI client: the level that was stored, and what follows the reply."""
    body = {"model": "attune", "messages": [{"role": "user", "content": text}]}
    answer = (await backend.client.post("/v1/chat/completions", json=body)).json()
    said = answer["choices"][0]["message"]["content"]
    return await stored_level(backend, answer["metadata"]["conversation_id"]), said.partition(REPLY)[2].strip()


async def in_the_terminal(backend: Backend, texts: list[str], home: Path) -> tuple[list[str], list[str]]:
    """Say all of it in the terminal's plain mode: the stored levels, and what is printed before each reply."""
    environ = {**os.environ, "ATTUNE_HOME": str(home), "ATTUNE_KEY": backend.key, "ATTUNE_URL": backend.url}
    known = {one["id"] for one in await conversations(backend)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tui", "--plain", stdin=-1, stdout=-1, stderr=-1, env=environ
    )
    out, err = await process.communicate("".join(f"{text}\n/new\n" for text in texts).encode())
    assert process.returncode == 0, err.decode()
    *printed, rest = out.decode().split(f"Attune: {REPLY}\n")
    assert rest == ""
    begun = [one["id"] for one in await conversations(backend) if one["id"] not in known]
    return [await stored_level(backend, one) for one in begun], printed


async def conversations(backend: Backend) -> list[dict[str, str]]:
    """The owner's conversations, oldest first."""
    found: list[dict[str, str]] = []
    query: dict[str, str | int] = {"limit": 100}
    while True:
        page = (await backend.client.get("/v1/conversations", params=query)).json()
        found += page["data"]
        if not page["next_cursor"]:
            return sorted(found, key=lambda one: one["created_at"])
        query["cursor"] = page["next_cursor"]


async def stored_level(backend: Backend, conversation: str) -> str:
    """The level that the first message of a conversation was screened at."""
    (first, *_) = await backend.messages(conversation)
    owner = backend.runtime.owner.id
    return str((await backend.runtime.ledger.messages.get(owner, first["id"])).crisis_level)
