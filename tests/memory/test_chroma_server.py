import asyncio
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from memory.config import EmbedderConfig, IndexConfig, MemoryConfig
from memory.embedder import Embedder
from memory.errors import EmbedderError, IndexUnavailableError
from memory.ids import new_id
from memory.index import Index
from memory.ledger.ledger import Ledger
from memory.shelf import Slot
from memory.store import Store
from memory.types import Fact, Kind, NewFact
from tests.benchmarks.memory_scale import MadeUp
from tests.fakes.chroma_process import chroma_server
from tests.fakes.embedding import shared_embedder
from tests.fakes.facts import fact

ROOT = Path(__file__).parents[2]
OTHER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from memory.config import IndexConfig, MemoryConfig, ReflectionConfig
from memory.forget import Forgetting
from memory.index import Index
from memory.ledger.going import Target
from memory.ledger.jobs import FORGET
from memory.ledger.ledger import Ledger
from memory.queue import ReflectionWorker
from memory.types import Kind, NewFact
from tests.benchmarks.memory_scale import MadeUp

async def main(home, url, person, gone):
    config = MemoryConfig(home=Path(home), index=IndexConfig(chroma_url=url))
    async with Ledger.open(config) as ledger, Index.open(config, MadeUp()) as index:
        forgetting = Forgetting(ledger, index, Path(home))
        worker = ReflectionWorker(ledger, index, None, ReflectionConfig(), "w2", handlers={FORGET: forgetting.run})
        await forgetting.forget(person, Target("fact", (gone,)), worker)
        new = NewFact("I keep bees.", Kind.OTHER, 0.9, "edited", (), datetime.now(UTC))
        await index.add(await ledger.facts.add(person, new))

asyncio.run(main(*sys.argv[1:]))
"""
TEXTS = ("My dog Biscuit has a bad hip.", "I work night shifts as a nurse.", "My sister is getting married in June.")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chroma_server(tmp_path_factory.mktemp("chroma")) as url:
        yield url


def facts_of(person_id: str) -> list[Fact]:
    return [fact(person_id, text) for text in TEXTS]


def config_of(home: Path, url: str, prefix: str = "facts") -> MemoryConfig:
    return MemoryConfig(home=home, index=IndexConfig(chroma_url=url, prefix=prefix))


async def test_two_backends_see_each_others_facts_and_forgetting_on_one_server(tmp_path: Path, server: str) -> None:
    ada, ben = new_id("per"), new_id("per")
    facts, others = facts_of(ada), facts_of(ben)
    embedder = shared_embedder()
    one_config, two_config = config_of(tmp_path / "one", server), config_of(tmp_path / "two", server)
    async with Index.open(one_config, embedder) as one, Index.open(two_config, embedder) as two:
        await one.add_many([*facts, *others])
        await two.add(facts[0])
        found = await two.search(ada, "How is my dog?", 10)
        assert found[0][0] == facts[0].id
        assert {id for id, _ in found} == {fact.id for fact in facts}
        assert {ada, ben} <= await two.people()

        await two.forget(ada, [facts[0].id])
        assert await one.ids(ada) == {facts[1].id, facts[2].id}
        await one.add(fact(ada, "I am a baker.", id=facts[1].id))
        assert (await two.search(ada, "bread", 1))[0][0] == facts[1].id
        await two.rebuild(ada, facts)
        assert await one.ids(ada) == {fact.id for fact in facts}

        await two.forget_person(ada)
        assert await one.search(ada, "dog", 5) == []
        assert ada not in await one.people()
        assert await one.ids(ben) == {fact.id for fact in others}


async def test_what_another_process_forgets_and_learns_while_an_index_is_built_again_is_heeded(
    tmp_path: Path, server: str
) -> None:
    config = config_of(tmp_path, server)
    async with Ledger.open(config) as ledger, Index.open(config, MadeUp()) as index:
        person = (await ledger.users.create()).id
        now = datetime.now(UTC)
        gone, *_ = [await ledger.facts.add(person, NewFact(text, Kind.OTHER, 0.9, "edited", (), now)) for text in TEXTS]
        reads: list[set[str]] = []

        async def read() -> Sequence[Fact]:
            facts = [fact async for fact in ledger.facts.all_active(person)]
            if not reads:
                words = [sys.executable, "-c", OTHER, str(tmp_path), server, person, gone.id]
                other = await asyncio.create_subprocess_exec(*words, cwd=ROOT)
                assert await other.wait() == 0
            reads.append({fact.id for fact in facts})
            return facts

        await index.rebuild_from(person, read)
        assert reads[0] - reads[-1] == {gone.id} and len(reads[-1] - reads[0]) == 1
        assert await index.ids(person) == reads[-1]


async def test_forgetting_one_fact_leaves_what_another_process_adds_meanwhile(tmp_path: Path, server: str) -> None:
    person = new_id("per")
    first, *others = facts_of(person)
    embedder = MadeUp()
    one_config, two_config = config_of(tmp_path / "one", server), config_of(tmp_path / "two", server)
    async with Index.open(one_config, embedder) as one, Index.open(two_config, embedder) as two:
        await one.add(first)

        async def exchange_while_others_come(slot: Slot[Store]) -> None:
            store = await slot.open()
            await two.add_many(others)
            await one._take_out(person, slot, store, [first.id])

        await one._use(person, exchange_while_others_come)
        assert await two.ids(person) == {fact.id for fact in others}


async def test_installations_with_two_prefixes_do_not_see_each_other(tmp_path: Path, server: str) -> None:
    person = new_id("per")
    embedder = shared_embedder()
    async with Index.open(config_of(tmp_path, server), embedder) as index:
        await index.add_many(facts_of(person))
    async with Index.open(config_of(tmp_path, server, "elsewhere"), embedder) as other:
        assert await other.ids(person) == set()
        assert await other.people() == set()


async def test_facts_of_another_embedder_are_refused_until_they_are_rebuilt(tmp_path: Path, server: str) -> None:
    person = new_id("per")
    facts = facts_of(person)
    embedder = shared_embedder()
    async with Index.open(config_of(tmp_path, server), embedder) as index:
        await index.add_many(facts)
        store = index._place.open(person)
        store.note({"name": "another"})
        with pytest.raises(EmbedderError, match="another"):
            await index.search(person, "dog", 3)
        await index.rebuild(person, facts)
        assert len(await index.search(person, "dog", 3)) == 3


async def test_a_server_that_is_down_is_said_and(tmp_path: Path) -> None:
    person = new_id("per")
    with chroma_server(tmp_path / "files") as url:
        pass
    async with Index.open(config_of(tmp_path, url), Embedder(EmbedderConfig(), tmp_path)) as index:
        with pytest.raises(IndexUnavailableError, match="cannot be used"):
            await index.ids(person)
        with pytest.raises(IndexUnavailableError, match="cannot be used"):
            await index.people()


def test_a_url_that_is_no_servers_is_refused() -> None:
    with pytest.raises(ValueError, match="chroma_url"):
        IndexConfig(chroma_url="http://token@host:1")
