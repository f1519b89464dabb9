"""What is forgotten is in no file of the data directory: a random word goes everywhere it can, and then nowhere.

A real `attune serve` keeps it as a message, a fact with its evidence, an observation about a trait and an export; a
real build of a data set keeps it in answers of its model and in its rows. Both lie below the data directory too.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from memory.config import MemoryConfig
from memory.ledger.ledger import Ledger
from tests.fakes.agreeing import somebody_who_agrees
from tests.fakes.builder_server import ScriptedBuilder
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_answers import reply
from tests.fakes.scripted_server import ScriptedServer
from tests.fakes.serve_process import client_of, serving
from tests.fakes.traces import in_files
from training.endpoint import Endpoint
from training.errors import DatasetError
from training.personaemp.build import build
from training.personaemp.build_config import BuildConfig
from training.personaemp.check import check_dataset, register
from training.personaemp.dataset import read_examples
from training.personaemp.pipeline import StagesConfig
from training.personaemp.sources.sources import SourcesConfig
from training.personaemp.split import SplitRule

SAYING = "I keep thinking about my sister at {0}. I get nervous and worry a lot at {0}."
"""Something to remember, and something about a trait, in words that are no name."""
OTHERS = 3


class Quoting(ScriptedBuilder):
    """Answers with the word in it whenever it is asked about whoever said the word."""

    def __init__(self, *words: str) -> None:
        super().__init__()
        self._words = words

    def _portrait(self, question: str, key: str) -> str:
        answer = json.loads(super()._portrait(question, key))
        answer["profile"] += " " + " ".join(word for word in self._words if word in question)
        return json.dumps(answer)


async def others_who_agree(home: Path) -> None:
    """Have other people in the ledger, so that there can be a data set without the one who forgets."""
    async with Ledger.open(MemoryConfig(home=home)) as ledger:
        for number in range(OTHERS):
            await somebody_who_agrees(ledger, number)


async def built(home: Path, *words: str) -> str:
    """Build a data set below the home as people do, and return all its rows as text."""
    out = home / "sets" / "one"
    shutil.rmtree(out, ignore_errors=True)
    async with Quoting(*words) as server, Ledger.open(MemoryConfig(home=home)) as ledger:
        config = BuildConfig(
            out=out,
            sources=SourcesConfig(ledger=True),
            builder=Endpoint(base_url=server.base_url, model="scripted", concurrency=8),
            stages=StagesConfig(situations=1, real_queries=1),
            split=SplitRule(test_share=0.4, min_test_people=1, ood=False),
        )
        manifest = (await build(config, ledger, embedder=shared_embedder())).manifest
        await register(ledger, out)
    return repr([one for split in manifest.files for one in read_examples(out, split)])


async def refused(home: Path) -> str:
    """Why nobody may train on the data set."""
    async with Ledger.open(MemoryConfig(home=home)) as ledger:
        with pytest.raises(DatasetError) as why:
            await check_dataset(home / "sets" / "one", ledger)
    return str(why.value)


async def ask(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    answer = await client.request(method, path, json=body)
    assert answer.status_code < 300, answer.text
    return answer.json()


async def until(client: httpx.AsyncClient, path: str, fits: Callable[[httpx.Response], bool]) -> None:
    """Ask again and again; what another process does cannot be awaited."""
    answer = await client.get(path)
    while not fits(answer):
        await asyncio.sleep(0.1)
        answer = await client.get(path)


async def say(client: httpx.AsyncClient, word: str) -> str:
    """Say it, wait until it was learned, and return the message's id."""
    conversation = (await ask(client, "POST", "/v1/conversations"))["id"]
    path = f"/v1/conversations/{conversation}/messages"
    await ask(client, "POST", path, {"content": SAYING.format(word)})
    messages = (await ask(client, "GET", path))["data"]
    await ask(client, "PUT", f"/v1/messages/{messages[1]['id']}/feedback", {"rating": "up", "reason": word})
    for place in ("/v1/me/memories", "/v1/me/persona"):
        await until(client, place, lambda answer: word in answer.text)
    return str(messages[0]["id"])


async def exported(client: httpx.AsyncClient, home: Path) -> str:
    """Have everything exported; return what the archive, which is compressed, says."""
    made = await ask(client, "POST", "/v1/me/export")
    await until(client, f"/v1/me/export/{made['id']}", lambda answer: answer.status_code != 202)
    (path,) = (home / "exports").glob("*/*.zip")
    with zipfile.ZipFile(path) as packed:
        return "".join(packed.read(name).decode() for name in packed.namelist())


def places(home: Path, word: str) -> set[str]:
    """What holds the word, by its name; the ledger's log belongs to the ledger."""
    index = home / "index"
    names = {"index" if Path(path).is_relative_to(index) else Path(path).name for path in in_files(home, word)}
    return {name.removesuffix("-wal") for name in names}


def compressed(home: Path) -> list[Path]:
    """Files in which no byte tells what they hold."""
    return [*home.rglob("*.zip"), *home.rglob("*.parquet")]


@pytest.mark.timeout(400)
async def test_a_forgotten_word_is_in_no_file_while_the_backend_runs_nor_after(tmp_path: Path) -> None:
    # Letters only: long numbers are no facts. Small ones: a name would become another in the data set.
    first, second = ("zor" + "".join(secrets.choice("bdfgklmnprtvz") for _ in range(12)) for _ in range(2))
    await shared_embedder().ready()
    async with ScriptedServer(default=reply("I hear you.")) as server:
        with serving(tmp_path, server.base_url) as process:
            async with client_of(process, tmp_path) as client:
                await ask(client, "PATCH", "/v1/me/settings", {"training": True})
                await others_who_agree(tmp_path)
                message = await say(client, first)
                await say(client, second)
                archive, rows = await exported(client, tmp_path), await built(tmp_path, first, second)
                for word in (first, second):
                    assert word in archive and word in rows
                    assert places(tmp_path, word) >= {"attune.db", "index", "answers.sqlite"}

                gone = await ask(client, "DELETE", f"/v1/messages/{message}")
                assert (gone["verified"], gone["remaining"], gone["exports"]) == (True, 0, 1)
                assert gone["facts"] and gone["evidence"] and gone["trait_evidence"]
                assert gone["dataset_rows"] and gone["dataset_files"] >= 3, "an answer and two files of rows"
                assert in_files(tmp_path, first) == [] and places(tmp_path, second) >= {"attune.db", "index"}
                assert "forgotten since it was built" in await refused(tmp_path)

                archive = await exported(client, tmp_path)
                assert first not in archive and second in archive
                await ask(client, "DELETE", "/v1/me")
                assert [in_files(tmp_path, word) for word in (first, second)] == [[], []]
                assert compressed(tmp_path) == []
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 0
    assert [in_files(tmp_path, word) for word in (first, second)] == [[], []]
