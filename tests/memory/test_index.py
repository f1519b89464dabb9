import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from memory.config import MemoryConfig
from memory.embedder import Embedder
from memory.errors import EmbedderError, IndexUnavailableError
from memory.ids import new_id
from memory.index import Index
from memory.types import Fact
from tests.fakes.embedding import shared_embedder
from tests.fakes.facts import fact

TEXTS = ("My dog Biscuit has a bad hip.", "I work night shifts as a nurse.", "My sister is getting married in June.")
CANARY = "My secret word is xylophonequartz."

STOCK = """
import json, sys
from mem0 import Memory
memory = Memory.from_config(json.loads(sys.argv[1]))
person = sys.argv[2]
listed = memory.get_all(filters={"user_id": person})["results"]
found = memory.search("How is the dog?", filters={"user_id": person})["results"]
print(json.dumps({"listed": [row["memory"] for row in listed], "found": [row["memory"] for row in found]}))
"""


@pytest.fixture
def embedder() -> Embedder:
    return shared_embedder()


@pytest.fixture
async def index(memory_config: MemoryConfig, embedder: Embedder) -> AsyncIterator[Index]:
    async with Index.open(memory_config, embedder) as opened:
        yield opened


@pytest.fixture
def person() -> str:
    return new_id("per")


def facts_of(person_id: str) -> list[Fact]:
    return [fact(person_id, text) for text in TEXTS]


def directory(config: MemoryConfig, person_id: str) -> Path:
    return config.home / "index" / person_id


def bytes_below(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file())


async def test_a_fact_is_found_by_meaning_with_its_exact_cosine(index: Index, embedder: Embedder, person: str) -> None:
    facts = facts_of(person)
    await index.add_many(facts)
    query, *vectors = await embedder.embed(["How is my dog?", *TEXTS])
    expected = {fact.id: float(vector @ query) for fact, vector in zip(facts, vectors, strict=True)}
    found = await index.search(person, "How is my dog?", 10)
    assert found[0][0] == facts[0].id
    assert dict(found) == pytest.approx(expected, abs=1e-5)


async def test_the_limit_is_kept(index: Index, person: str) -> None:
    await index.add_many(facts_of(person))
    assert len(await index.search(person, "dog", 2)) == 2


async def test_neighbours_carry_fact_and_vector(index: Index, embedder: Embedder, person: str) -> None:
    facts = facts_of(person)
    await index.add_many(facts)
    (vector,) = await embedder.embed([TEXTS[0]])
    nearest = (await index.near(person, vector, 1))[0]
    assert nearest.fact_id == facts[0].id
    assert np.allclose(nearest.vector, vector, atol=1e-6)
    assert nearest.cosine == pytest.approx(1, abs=1e-5)


async def test_somebody_without_facts_has_an_empty_index_and_no_directory(
    index: Index, memory_config: MemoryConfig, person: str
) -> None:
    assert await index.search(person, "anything", 5) == []
    assert await index.ids(person) == set()
    await index.forget(person, [new_id("fact")])
    await index.forget_person(person)
    assert not directory(memory_config, person).exists()


async def test_adding_a_fact_again_changes_nothing(index: Index, person: str) -> None:
    facts = facts_of(person)
    await index.add_many(facts)
    await asyncio.gather(*(index.add(facts[0]) for _ in range(5)))
    assert len(await index.search(person, "dog", 10)) == 3


async def test_a_fact_whose_text_changed_is_replaced(index: Index, memory_config: MemoryConfig, person: str) -> None:
    old, *others = facts_of(person)
    await index.add_many([old, *others])
    await index.add(fact(person, "My cat Mitzi is twelve.", id=old.id))
    assert await index.ids(person) == {old.id, *(other.id for other in others)}
    assert (await index.search(person, "How old is Mitzi?", 1))[0][0] == old.id
    assert b"Biscuit" not in bytes_below(directory(memory_config, person))


async def test_people_do_not_see_each_other(index: Index) -> None:
    one, two = new_id("per"), new_id("per")
    await index.add_many([fact(one, TEXTS[0]), fact(two, TEXTS[1])])
    assert len(await index.ids(one)) == len(await index.ids(two)) == 1
    assert await index.ids(one) != await index.ids(two)
    assert len(await index.search(two, "How is my dog Biscuit?", 10)) == 1


@pytest.mark.parametrize("id", ["*", "", "..", "per_x", "per_../../../etc/passwd000000000"])
async def test_what_is_not_an_id_of_ours_never_reaches_mem0(index: Index, id: str) -> None:
    for call in (
        index.search(id, "dog", 1),
        index.ids(id),
        index.add(fact(id, "text")),
        index.forget(id, []),
        index.forget_person(id),
        index.rebuild(id, []),
    ):
        with pytest.raises(ValueError, match="not an id"):
            await call
    with pytest.raises(ValueError, match="not an id"):
        index.stock_config(id)


async def test_a_forgotten_fact_is_gone_to_the_last_byte(
    index: Index, memory_config: MemoryConfig, person: str
) -> None:
    secret, others = fact(person, CANARY), facts_of(person)
    await index.add_many([secret, *others])
    assert b"xylophonequartz" in bytes_below(memory_config.home)
    await index.forget(person, [secret.id])
    left = bytes_below(memory_config.home)
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        assert "xylophonequartz".encode(encoding) not in left
        assert secret.id.encode(encoding) not in left
    assert await index.ids(person) == {other.id for other in others}
    assert (await index.search(person, "How is my dog?", 1))[0][0] == others[0].id


async def test_forgetting_the_last_fact_leaves_no_directory(
    index: Index, memory_config: MemoryConfig, person: str
) -> None:
    only = fact(person, CANARY)
    await index.add(only)
    await index.forget(person, [only.id])
    assert list((memory_config.home / "index").iterdir()) == []
    await index.add(only)
    assert await index.ids(person) == {only.id}


async def test_forgetting_a_person_removes_their_directory_and_nobody_elses(
    index: Index, memory_config: MemoryConfig, person: str
) -> None:
    other = new_id("per")
    await index.add_many([fact(person, CANARY), fact(other, TEXTS[0])])
    assert await index.people() == {person, other}
    await index.forget_person(person)
    assert await index.people() == {other}
    assert not directory(memory_config, person).exists()
    assert b"xylophonequartz" not in bytes_below(memory_config.home)
    assert len(await index.ids(other)) == 1


async def test_a_rebuilt_index_finds_exactly_the_same(index: Index, person: str) -> None:
    facts = [*facts_of(person), *(fact(person, f"I once visited city number {number}.") for number in range(40))]
    for one in facts:
        await index.add(one)
    queries = ("How is my dog?", "Which cities have I seen?", "wedding")
    before = [await index.search(person, query, 20) for query in queries]
    await index.rebuild(person, facts)
    assert [await index.search(person, query, 20) for query in queries] == before


async def test_what_is_forgotten_while_an_index_is_rebuilt_is_not_put_back(index: Index, person: str) -> None:
    gone, *kept = facts_of(person)
    forgetting: list[asyncio.Task[None]] = []

    async def read() -> list[Fact]:
        forgetting.append(asyncio.create_task(index.forget(person, [gone.id])))
        return [gone, *kept]

    await index.rebuild_from(person, read)
    await forgetting[0]
    assert await index.ids(person) == {fact.id for fact in kept}


async def test_who_has_no_facts_gets_no_place(index: Index, memory_config: MemoryConfig, person: str) -> None:
    await index.add_many(facts_of(person))
    await index.rebuild(person, [])
    assert not directory(memory_config, person).exists()


async def test_facts_are_there_after_reopening(memory_config: MemoryConfig, embedder: Embedder, person: str) -> None:
    facts = facts_of(person)
    async with Index.open(memory_config, embedder) as index:
        await index.add_many(facts)
    async with Index.open(memory_config, embedder) as index:
        assert await index.ids(person) == {fact.id for fact in facts}


async def test_a_stock_mem0_lists_and_finds_the_same_facts(
    memory_config: MemoryConfig, embedder: Embedder, person: str, tmp_path: Path
) -> None:
    async with Index.open(memory_config, embedder) as index:
        await index.add_many(facts_of(person))
        config = index.stock_config(person)
    environment = {**os.environ, "MEM0_DIR": str(tmp_path / "mem0"), "MEM0_TELEMETRY": "False", "HF_HUB_OFFLINE": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STOCK, json.dumps(config), person, stdout=subprocess.PIPE, env=environment
    )
    answer = json.loads((await process.communicate())[0])
    assert sorted(answer["listed"]) == sorted(TEXTS)
    assert sorted(answer["found"]) == sorted(TEXTS)
    assert answer["found"][0] == TEXTS[0]


@pytest.mark.slow
async def test_many_people_keep_no_more_open_than_allowed(tmp_path: Path, embedder: Embedder) -> None:
    config = MemoryConfig(home=tmp_path, max_open_indexes=8)
    people = [new_id("per") for _ in range(64)]

    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    (vector,) = await embedder.embed(["tea"])
    async with Index.open(config, embedder) as index:
        for person_id in people[:20]:
            await index.add(fact(person_id, "I like tea."))
        descriptors, threads = held()
        for person_id in people[20:]:
            await index.add(fact(person_id, "I like tea."))
        for person_id in people[::4]:
            assert len(await index.search(person_id, "", 5, vector=vector)) == 1
        # Threads of a closed Chroma end a moment later; two stores' worth of them may still be on their way.
        assert held()[0] <= descriptors + 22
        assert held()[1] <= threads + 12


async def test_one_persons_work_is_safe_at_once(index: Index, person: str) -> None:
    facts = [fact(person, f"I own book number {number}.") for number in range(30)]
    await asyncio.gather(*(index.add(one) for one in facts), *(index.search(person, "books", 5) for _ in range(10)))
    assert await index.ids(person) == {one.id for one in facts}
    await asyncio.gather(
        index.forget(person, [one.id for one in facts[:10]]), index.forget(person, [one.id for one in facts[10:20]])
    )
    assert await index.ids(person) == {one.id for one in facts[20:]}


async def test_a_damaged_directory_is_said_and_can_be_rebuilt(
    memory_config: MemoryConfig, embedder: Embedder, person: str
) -> None:
    facts = facts_of(person)
    async with Index.open(memory_config, embedder) as index:
        await index.add_many(facts)
    (directory(memory_config, person) / "chroma.sqlite3").write_bytes(b"not a database " * 400)
    async with Index.open(memory_config, embedder) as index:
        with pytest.raises(IndexUnavailableError, match=r"Repair: attune doctor --rebuild-index") as said:
            await index.search(person, "dog", 5)
        assert str(directory(memory_config, person)) in str(said.value)
        await index.rebuild(person, facts)
        assert await index.ids(person) == {fact.id for fact in facts}


async def test_an_index_of_another_model_is_noticed_and_can_be_rebuilt(
    memory_config: MemoryConfig, embedder: Embedder, person: str
) -> None:
    facts = facts_of(person)
    async with Index.open(memory_config, embedder) as index:
        await index.add_many(facts)
    noted = directory(memory_config, person) / "embedder.json"
    noted.write_text(json.dumps({**json.loads(noted.read_text()), "revision": "another"}))
    async with Index.open(memory_config, embedder) as index:
        for call in (index.search(person, "dog", 5), index.add(fact(person, "I like tea."))):
            with pytest.raises(EmbedderError, match=r"attune doctor --rebuild-index"):
                await call
        await index.rebuild(person, facts)
        assert len(await index.search(person, "dog", 5)) == 3


async def test_a_rewrite_that_was_interrupted_is_finished_on_opening(
    memory_config: MemoryConfig, embedder: Embedder, person: str
) -> None:
    async with Index.open(memory_config, embedder) as index:
        await index.add_many(facts_of(person))
    home = directory(memory_config, person)
    home.rename(home.with_name(f".{person}.new"))
    home.with_name(f".{person}.old").mkdir()
    async with Index.open(memory_config, embedder) as index:
        assert len(await index.ids(person)) == 3
    assert [path.name for path in (memory_config.home / "index").iterdir()] == [person]


async def test_everything_lies_below_the_data_directory_and_is_private(
    index: Index, memory_config: MemoryConfig, person: str
) -> None:
    await index.add_many(facts_of(person))
    assert directory(memory_config, person).stat().st_mode & 0o077 == 0
    assert (directory(memory_config, person) / "history.db").exists()
