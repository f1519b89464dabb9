from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from memory.agreement import Agreement, agreement
from memory.config import MemoryConfig
from memory.index import Index
from memory.ledger.ledger import Ledger
from memory.types import Fact, Kind, NewFact
from tests.fakes.embedding import shared_embedder
from tests.fakes.facts import fact


@pytest.fixture
async def index(memory_config: MemoryConfig) -> AsyncIterator[Index]:
    await shared_embedder().ready()
    async with Index.open(memory_config, shared_embedder()) as opened:
        yield opened


async def told(ledger: Ledger, person: str, *texts: str) -> list[Fact]:
    new = [NewFact(text, Kind.OTHER, 0.9, "stated", (), datetime.now(UTC)) for text in texts]
    return [await ledger.facts.add(person, one) for one in new]


async def test_what_is_missing_and_orphaned_is_counted_over_everybody(ledger: Ledger, index: Index) -> None:
    ada, bob, eve = [(await ledger.users.create()).id for _ in range(3)]
    first, second = await told(ledger, ada, "I like tea.", "I like rain.")
    await index.add_many([first, second, *await told(ledger, bob, "I like trains.")])
    assert await agreement(ledger, index) == Agreement(people=2, facts=3)
    await index.forget(ada, [first.id])
    await ledger.facts.supersede(ada, second.id, first.id)
    await index.add(fact(eve, "I have no facts."))
    found = await agreement(ledger, index)
    assert found == Agreement(people=3, facts=2, missing=1, orphaned=2)
    assert not found.whole


async def test_what_is_still_being_learned_is_not_held_for_damage(ledger: Ledger, index: Index) -> None:
    ada, bob = [(await ledger.users.create()).id for _ in range(2)]
    for person in (ada, bob):
        await told(ledger, person, "I like tea.")
    await ledger.jobs.enqueue(ada, "reflect", {})
    assert await agreement(ledger, index) == Agreement(people=2, facts=2, missing=1, settling=1)


async def test_a_damaged_index_is_counted_and_the_others_are_compared(
    ledger: Ledger, index: Index, memory_config: MemoryConfig
) -> None:
    ada, bob = [(await ledger.users.create()).id for _ in range(2)]
    await told(ledger, ada, "I like tea.")
    await index.add_many(await told(ledger, bob, "I like trains."))
    broken = memory_config.home / "index" / ada
    broken.mkdir(parents=True)
    (broken / "chroma.sqlite3").write_bytes(b"not a database " * 400)
    assert await agreement(ledger, index) == Agreement(people=2, facts=2, unreadable=1)
