"""The index is missing, damaged, locked, of another model, or its disk is full: chat goes on, and a restart repairs."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from memory.config import MemoryConfig, RecallConfig, ReflectionConfig
from memory.errors import IndexUnavailableError, MemoryLayerError
from memory.ids import new_id
from memory.index import Index
from memory.ledger.ledger import Ledger
from memory.mending import Mending
from memory.queue import ReflectionWorker
from memory.recall import Recall
from memory.types import Evidence, Kind, NewFact
from tests.benchmarks.memory_scale import MadeUp
from tests.fakes.facts import fact

ROOT = Path(__file__).parent.parent.parent
KNOWN, SAID, ASKED = "Biscuit has a bad hip.", "I am a nurse.", "Biscuit and his hip, how are they?"
MANY = 1_300
"""So many facts and Chroma writes its vectors into files of their own."""
PATIENT = RecallConfig(deadline_ms=60_000, min_score=-1, limit=1)


@dataclass(frozen=True, slots=True)
class House:
    """What a backend has open, and the one person in it."""

    ledger: Ledger
    index: Index
    mending: Mending
    worker: ReflectionWorker
    person: str

    async def recalled(self) -> tuple[str, bool, list[str]]:
        """How it is asked for, whether that needs repair, and what comes."""
        found = await Recall(self.ledger, self.index, PATIENT, self.mending.begin).recall(self.person, ASKED)
        return found.status, found.broken, [one.fact.text for one in found.facts]

    async def facts(self) -> set[str]:
        return {fact.id async for fact in self.ledger.facts.all_active(self.person)}

    async def say(self, text: str) -> None:
        conversation = (await self.ledger.conversations.create(self.person)).id
        message = (await self.ledger.messages.append(self.person, conversation, "user", text)).message
        payload = {"conversation_id": conversation, "message_ids": [message.id]}
        await self.ledger.jobs.enqueue(self.person, "reflect", payload)


@asynccontextmanager
async def open_house(home: Path) -> AsyncIterator[House]:
    config = MemoryConfig(home=home)
    async with Ledger.open(config) as ledger, Index.open(config, MadeUp()) as index:
        mending = Mending(ledger, index)
        settings = ReflectionConfig(retry_base_s=0.01)
        worker = ReflectionWorker(ledger, index, None, settings, "w1", chores=(mending.sweep,))
        person = next(iter(await ledger.facts.people_with_facts()), "") or (await ledger.users.create()).id
        yield House(ledger, index, mending, worker, person)
        await mending.aclose()


async def fill(home: Path, count: int) -> None:
    async with open_house(home) as house:
        texts = [KNOWN, *(f"I once owned the book with number {number}." for number in range(count - 1))]
        now = datetime.now(UTC)
        conversation = (await house.ledger.conversations.create(house.person)).id
        said = (await house.ledger.messages.append(house.person, conversation, "user", KNOWN)).message
        facts = [
            await house.ledger.facts.add(
                house.person,
                NewFact(text, Kind.OTHER, 0.9, "stated", (Evidence(said.id, KNOWN),) * (text == KNOWN), now),
            )
            for text in texts
        ]
        await house.index.add_many(facts)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home where a little is known about one person, to copy."""
    home = tmp_path_factory.mktemp("filled") / "home"
    asyncio.run(fill(home, 3))
    return home


@pytest.fixture
def home(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "home"))


def directory(home: Path) -> Path:
    """The index of the only person."""
    (found,) = (home / "index").iterdir()
    return found


def cut(path: Path, keep: float) -> None:
    os.truncate(path, int(path.stat().st_size * keep))


def another_model(home: Path) -> None:
    noted = directory(home) / "embedder.json"
    noted.write_text(json.dumps({**json.loads(noted.read_text()), "revision": "sha256:another"}))


def a_file_instead(home: Path) -> None:
    place = directory(home)
    shutil.rmtree(place)
    place.write_bytes(b"no directory")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "one person's is missing": lambda home: shutil.rmtree(directory(home)),
    "all of it is missing": lambda home: shutil.rmtree(home / "index"),
    "its database is cut": lambda home: cut(directory(home) / "chroma.sqlite3", 0.5),
    "its database is empty": lambda home: cut(directory(home) / "chroma.sqlite3", 0),
    "its database is missing": lambda home: (directory(home) / "chroma.sqlite3").unlink(),
    "its database is garbage": lambda home: (directory(home) / "chroma.sqlite3").write_bytes(b"garbage " * 9000),
    "its note of the model is garbage": lambda home: (directory(home) / "embedder.json").write_bytes(b"\xff{"),
    "a file is in its place": a_file_instead,
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_with_a_damaged_index_words_are_compared_learning_goes_on_and_it_is_built_again(
    damage: str, home: Path
) -> None:
    DAMAGE[damage](home)
    async with open_house(home) as house:
        before = await house.facts()
        assert await house.recalled() == ("words", True, [KNOWN])
        await house.say(SAID)
        assert await house.worker.drain(240)
        await house.mending.settled()
        assert {job.status for job in await house.ledger.jobs.list()} == {"done"}
        known = await house.facts()
        assert known > before
        assert await house.index.ids(house.person) == known
        assert (await house.recalled())[:2] == ("ok", False)


async def test_a_restart_builds_a_missing_index_before_anything_is_learned(home: Path) -> None:
    shutil.rmtree(directory(home))
    async with open_house(home) as house:
        await house.say(SAID)
        assert await house.worker.drain(240)
        assert await house.index.ids(house.person) == await house.facts()
        assert await house.recalled() == ("ok", False, [KNOWN])


async def test_of_another_model_nothing_is_mixed_and_only_building_it_again_helps(home: Path) -> None:
    another_model(home)
    async with open_house(home) as house:
        assert await house.recalled() == ("words", True, [KNOWN])
        await house.say(SAID)
        assert await house.worker.drain(240)
        (job,) = await house.ledger.jobs.list()
        assert job.status == "failed" and "attune doctor --rebuild-index" in (job.error or "")
        known = await house.facts()
        assert len(known) == 4, "what was learned stands in the ledger"
        await house.index.rebuild(house.person, [fact async for fact in house.ledger.facts.all_active(house.person)])
        assert await house.recalled() == ("ok", False, [KNOWN])
        await house.ledger.jobs.requeue(job.id)
        assert await house.worker.drain(240)
        assert await house.facts() == known == await house.index.ids(house.person)


def garble(path: Path) -> None:
    path.write_bytes(b"\xaa" * path.stat().st_size)


VECTORS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "vectors cut": ("data_level0.bin", lambda file: cut(file, 0.5)),
    "links cut": ("link_lists.bin", lambda file: cut(file, 0.5)),
    "lengths cut": ("length.bin", lambda file: cut(file, 0.5)),
    "header cut": ("header.bin", lambda file: cut(file, 0.5)),
    "header garbage": ("header.bin", garble),
    "vectors missing": ("data_level0.bin", Path.unlink),
    "links missing": ("link_lists.bin", Path.unlink),
}


async def test_cut_vector_files_are_noticed_before_chroma_reads_beyond_their_end(tmp_path: Path) -> None:
    person, embedder = new_id("per"), MadeUp()
    facts = [fact(person, f"topic{number} is something") for number in range(MANY)]
    async with Index.open(MemoryConfig(home=tmp_path / "original"), embedder) as index:
        await index.add_many(facts)
    (vectors,) = directory(tmp_path / "original").glob("*/data_level0.bin")
    assert vectors.stat().st_size > 1_000_000, "too few facts: Chroma has not written any vector"
    for name, (file, damage) in VECTORS.items():
        home = Path(shutil.copytree(tmp_path / "original", tmp_path / name))
        damage(next(directory(home).glob(f"*/{file}")))
        async with Index.open(MemoryConfig(home=home), embedder) as index:
            with pytest.raises(IndexUnavailableError, match=r"cut short.*attune doctor --rebuild-index"):
                await index.ids(person)
    async with Index.open(MemoryConfig(home=home), embedder) as index:
        await index.rebuild(person, facts[:3])
        assert await index.ids(person) == {one.id for one in facts[:3]}


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN " + sys.argv[2])
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def held(database: Path, how: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a lock on a database until it is told, or left."""
    command = [sys.executable, "-c", HOLD, str(database), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


async def test_an_index_that_another_process_locks_is_done_without_and_used_again_afterwards(home: Path) -> None:
    async with open_house(home) as house:
        with held(directory(home) / "chroma.sqlite3", "EXCLUSIVE"):
            assert await house.recalled() == ("words", True, [KNOWN])
        await house.mending.settled()
        assert await house.recalled() == ("ok", False, [KNOWN])


@pytest.mark.parametrize("how", ["EXCLUSIVE", "IMMEDIATE"])
async def test_a_lock_taken_while_the_index_is_open_stops_nobody_and_what_was_learned_is_written_later(
    how: str, home: Path
) -> None:
    async with open_house(home) as house:
        assert await house.recalled() == ("ok", False, [KNOWN])
        with held(directory(home) / "chroma.sqlite3", how):
            if how == "EXCLUSIVE":  # who only means to write keeps nobody from reading
                assert await house.recalled() == ("words", True, [KNOWN])
                await house.mending.settled()
            assert await house.recalled() == ("ok", False, [KNOWN])
            await house.say(SAID)
            assert await house.worker.drain(240)
            known = await house.facts()
            assert len(known) == 4, "what was learned stands in the ledger"
            assert (await house.recalled())[2] == [KNOWN]
        for job in await house.ledger.jobs.list("failed"):
            await house.ledger.jobs.requeue(job.id)
        assert await house.worker.drain(240)
        assert await house.index.ids(house.person) == known
        assert await house.recalled() == ("ok", False, [KNOWN])


async def test_a_ledger_that_another_process_locks_is_waited_for_and_nothing_is_lost(home: Path) -> None:
    async with open_house(home) as house:
        with held(home / "attune.db", "IMMEDIATE") as other:
            saying = asyncio.create_task(house.say(SAID))
            assert await house.recalled() == ("ok", False, [KNOWN]), "reading goes on"
            assert not saying.done()
            assert other.stdin is not None
            other.stdin.write("\n")
            other.stdin.flush()
            await saying
        assert await house.worker.drain(240)
        assert len(await house.facts()) == 4


@contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[None]:
    """A file system of its own at `place`, with what was there."""
    content = place.with_name("content")
    shutil.copytree(place, content)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        shutil.copytree(content, place, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill_up(place: Path) -> Path:
    """Leave not a byte free."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"\1" * 4096):
                pass
        except OSError:
            pass
    return filler


async def test_with_a_full_disk_below_the_index_learning_fails_visibly_and_nothing_is_lost(home: Path) -> None:
    with small_disk(home / "index", 4_000):
        async with open_house(home) as house:
            filler = fill_up(home / "index")
            await house.say(SAID)
            assert await house.worker.drain(240)
            (job,) = await house.ledger.jobs.list()
            assert (job.status, len(await house.facts())) == ("failed", 4)
            assert (await house.recalled())[2] == [KNOWN]
            filler.unlink()
            await house.ledger.jobs.requeue(job.id)
            assert await house.worker.drain(240)
            assert await house.index.ids(house.person) == await house.facts()
        async with open_house(home) as house:
            assert await house.recalled() == ("ok", False, [KNOWN])


async def test_with_a_full_disk_below_everything_nothing_is_acknowledged_and_afterwards_it_goes_on(home: Path) -> None:
    with small_disk(home, 8_000):
        async with open_house(home) as house:
            filler = fill_up(home)
            said = 0
            with pytest.raises(MemoryLayerError, match="full"):
                while said < 1_000:  # the log has room for a few
                    await house.say(f"{SAID} {said}")
                    said += 1
            assert (await house.recalled())[2] == [KNOWN]
            filler.unlink()
        async with open_house(home) as house:
            assert len(await house.ledger.jobs.list()) == said
            await house.say("I row.")
            assert await house.worker.drain(240)
            assert await house.index.ids(house.person) == await house.facts()


CRASH = Path(__file__).with_name("crashing_learning.py")


@pytest.mark.parametrize("step", ["asked", "kept", "indexed", "rebuilding"])
async def test_killed_while_learning_or_building_the_index_again_the_next_start_finishes_it(
    step: str, home: Path
) -> None:
    async with open_house(home) as house:
        await house.say(SAID)
        before = await house.facts()
    process = await asyncio.create_subprocess_exec(sys.executable, str(CRASH), str(home), step, cwd=ROOT)
    assert await process.wait() == -9
    async with open_house(home) as house:
        assert await house.facts() >= before
        assert await house.worker.drain(240)
        assert {job.status for job in await house.ledger.jobs.list()} == {"done"}
        known = await house.facts()
        assert len(known) == len(before) + 1, "learned once"
        assert await house.index.ids(house.person) == known
        assert await house.recalled() == ("ok", False, [KNOWN])
