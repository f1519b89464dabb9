"""The storage is in the way: what the client sees, and what is kept."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from tests.fakes.backend import running
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_model import ScriptedModel


async def test_without_the_index_a_reply_comes_all_the_same_and_nothing_is_lost(tmp_path: Path) -> None:
    await shared_embedder().ready()
    async with running(tmp_path, policy=ScriptedModel(), embedder=shared_embedder()) as backend:
        await backend.say(await backend.conversation(), "My dog Biscuit has a bad hip.")
        assert len(await backend.memories()) == 1
    _lose_the_index(tmp_path)
    async with running(tmp_path, policy=ScriptedModel(), embedder=shared_embedder()) as backend:
        assert (await backend.say(await backend.conversation(), "How is Biscuit's hip?")).status_code == 200
        assert len(await backend.memories()) == 1
        assert (await backend.client.post("/v1/admin/index/rebuild")).status_code == 200


async def test_a_damaged_index_is_said_in_a_notice_and_is_whole_again_soon_after(tmp_path: Path) -> None:
    patient = {"recall": {"deadline_ms": 60_000}}
    async with running(tmp_path, policy=ScriptedModel(), embedder=shared_embedder()) as backend:
        await backend.say(await backend.conversation(), "My dog Biscuit has a bad hip.")
        assert len(await backend.memories()) == 1
    (database,) = (tmp_path / "index").glob("*/chroma.sqlite3")
    database.write_bytes(b"not a database " * 400)
    await shared_embedder().ready()
    async with running(tmp_path, policy=ScriptedModel(), embedder=shared_embedder(), memory=patient) as backend:
        asked = "How is Biscuit's hip?"
        events = [event async for event in backend.stream(await backend.conversation(), asked)]
        assert "recall_by_words" in [event.code for event in events if event.type == "notice"]
        (used,) = [event for event in events if event.type == "context.used"]
        assert (used.status, list(used.facts)) == ("words", ["My dog Biscuit has a bad hip."])
        assert events[-1].type == "message.completed"
        async with asyncio.timeout(90):
            while (await backend.say(await backend.conversation(), asked)).json()["context"]["status"] != "ok":
                pass


def _lose_the_index(home: Path) -> None:
    places = [place for place in home.iterdir() if place.is_dir() and "index" in place.name]
    assert places
    for place in places:
        shutil.rmtree(place)
