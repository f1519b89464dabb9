"""The storage is in the way: what the client sees, and what is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.fakes.backend import running
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_model import ScriptedModel


async def test_without_the_index_a_reply_comes_all_the_same_and_nothing_is_lost(tmp_path: Path) -> None:
    async with running(tmp_path, policy=ScriptedModel(), embedder=shared_embedder()) as backend:
        await backend.say(await backend.conversation(), "My dog Biscuit has a bad hip.")
        assert len(await backend.memories()) == 1
    _lose_the_index(tmp_path)
    async with running(tmp_path, policy=ScriptedModel(), embedder=shared_embedder()) as backend:
        assert (await backend.say(await backend.conversation(), "How is Biscuit's hip?")).status_code == 200
        assert len(await backend.memories()) == 1
        assert (await backend.client.post("/v1/admin/index/rebuild")).status_code == 200


def _lose_the_index(home: Path) -> None:
    places = [place for place in home.iterdir() if place.is_dir() and "index" in place.name]
    assert places
    for place in places:
        shutil.rmtree(place)
