import asyncio
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory.config import EmbedderConfig, MemoryConfig, RecallConfig
from memory.embedder import Embedder
from memory.errors import EmbedderError
from memory.index import Index
from memory.ledger.ledger import Ledger
from memory.recall import Recall
from memory.tokens import estimate_tokens
from memory.types import Evidence, Fact, Kind, NewFact
from tests.fakes.embedding import shared_embedder
from tests.fakes.facts import fact

CASES: dict[str, Any] = tomllib.loads(Path(__file__).with_name("recall_cases.toml").read_text(encoding="utf-8"))
PATIENT = RecallConfig(deadline_ms=60_000)
"""On a busy test machine the deadline is not what is tested."""


@dataclass
class Memories:
    """A person, and how they are given facts."""

    ledger: Ledger
    index: Index
    person: str

    async def add(self, text: str, evidence: tuple[Evidence, ...] = (), days_ago: int = 0) -> Fact:
        observed = datetime.now(UTC) - timedelta(days=days_ago)
        added = await self.ledger.facts.add(self.person, NewFact(text, Kind.OTHER, 0.9, "stated", evidence, observed))
        await self.index.add(added)
        return added

    async def recalled(self, message: str, config: RecallConfig = PATIENT, **options: Any) -> list[str]:
        recollection = await Recall(self.ledger, self.index, config).recall(self.person, message, **options)
        assert recollection.status == "ok", recollection.detail
        return [recalled.fact.text for recalled in recollection.facts]


@pytest.fixture
async def index(memory_config: MemoryConfig) -> AsyncIterator[Index]:
    async with Index.open(memory_config, shared_embedder()) as opened:
        yield opened


@pytest.fixture
async def memories(ledger: Ledger, index: Index) -> Memories:
    return Memories(ledger, index, (await ledger.users.create()).id)


@pytest.mark.parametrize(
    ("name", "least_hits", "most_intruders"), [("tuned", 37, 0), ("held_out", 29, 0), ("fresh", 28, 1)]
)
async def test_related_messages_call_up_their_fact_and_unrelated_ones_none(
    memories: Memories, name: str, least_hits: int, most_intruders: int
) -> None:
    case = CASES[name]
    for text in case["facts"].values():
        await memories.add(text)
    hits = [
        message for message, key in case["related"].items() if case["facts"][key] in await memories.recalled(message)
    ]
    first = [
        message for message in hits if (await memories.recalled(message))[0] == case["facts"][case["related"][message]]
    ]
    intruders = [message for message in case["unrelated"] if await memories.recalled(message)]
    assert len(case["related"]) >= 30
    assert len(case["unrelated"]) >= 30
    assert len(hits) >= least_hits, sorted(set(case["related"]) - set(hits))
    assert len(first) >= len(hits) - 1
    assert len(intruders) <= most_intruders, intruders


async def test_few_facts_come_along_with_the_right_one(memories: Memories) -> None:
    case = CASES["tuned"]
    for text in case["facts"].values():
        await memories.add(text)
    called = [len(await memories.recalled(message)) for message in case["related"]]
    assert sum(called) <= 1.2 * len(called)


async def test_somebody_elses_facts_are_never_called_up(memories: Memories, ledger: Ledger, index: Index) -> None:
    await memories.add("My dog Biscuit has a bad hip.")
    other = Memories(ledger, index, (await ledger.users.create()).id)
    assert await other.recalled("How is my dog Biscuit?") == []


async def test_what_the_ledger_does_not_hold_as_theirs_is_not_called_up(memories: Memories, ledger: Ledger) -> None:
    stranger = Memories(ledger, memories.index, (await ledger.users.create()).id)
    theirs = await stranger.add("My dog Biscuit has a bad hip.")
    await memories.index.add(fact(memories.person, theirs.text, id=theirs.id))
    await memories.index.add(fact(memories.person, "My dog Biscuit limps."))
    assert await memories.recalled("How is my dog Biscuit?") == []


async def test_forgotten_and_superseded_facts_are_not_called_up(memories: Memories, ledger: Ledger) -> None:
    old = await memories.add("My dog Biscuit has a bad hip.")
    new = await memories.add("My dog Biscuit has a new hip since the operation.")
    gone = await memories.add("My dog Biscuit hates the vet.")
    await ledger.facts.supersede(memories.person, old.id, new.id)
    await ledger.facts.forget(memories.person, gone.id)
    assert await memories.recalled("How is the hip of my dog Biscuit?") == [new.text]


async def test_facts_from_the_message_itself_are_left_out(memories: Memories, ledger: Ledger) -> None:
    conversation = await ledger.conversations.create(memories.person)
    quote = "My dog Biscuit has a bad hip."
    said = (await ledger.messages.append(memories.person, conversation.id, "user", quote)).message
    await memories.add(quote, (Evidence(said.id, quote),))
    assert await memories.recalled("How is my dog Biscuit?", exclude_message_ids=(said.id,)) == []
    assert await memories.recalled("How is my dog Biscuit?") == [quote]


async def test_limit_and_token_budget_are_kept(memories: Memories) -> None:
    for day in ("Monday", "Tuesday", "Wednesday", "Thursday"):
        await memories.add(f"I walk my dog Biscuit with {day}'s neighbour in the park.")
    message = "Where do I walk my dog Biscuit?"
    everything = await memories.recalled(message)
    assert len(everything) == 4
    assert await memories.recalled(message, RecallConfig(deadline_ms=60_000, limit=2)) == everything[:2]
    for budget in (0, 10, 20, 40):
        within = await memories.recalled(message, budget_tokens=budget)
        assert sum(estimate_tokens(text) for text in within) <= budget
    assert len(await memories.recalled(message, budget_tokens=2 * estimate_tokens(everything[0]) + 2)) == 2


async def test_facts_that_say_the_same_count_once_and_others_do_not(memories: Memories) -> None:
    for text in (
        "I see my therapist on Mondays.",
        "I see my own therapist on Mondays.",
        "I see my therapist on Fridays.",
    ):
        await memories.add(text)
    called = await memories.recalled("When do I see my therapist?")
    assert len(called) == 2
    assert "I see my therapist on Fridays." in called


async def test_of_equals_the_newer_comes_first(memories: Memories) -> None:
    old = await memories.add("I live in the town Lisbon1.", days_ago=400)
    new = await memories.add("I live in the town Lisbon2.", days_ago=1)
    assert await memories.recalled("In which town do I live?") == [new.text, old.text]


async def test_in_another_language_only_shared_words_tell(memories: Memories) -> None:
    for text in ("Mein Hund Keks hat eine kranke Hüfte.", "Ich arbeite nachts als Krankenschwester."):
        await memories.add(text)
    assert await memories.recalled("Keks kam heute die Treppe nicht hoch.") == ["Mein Hund Keks hat eine kranke Hüfte."]
    for message in ("Erzähl mir einen Witz.", "Was ist die Hauptstadt der Mongolei?", "Mir ist langweilig."):
        assert await memories.recalled(message) == []


@pytest.mark.parametrize("message", ["", " \n", "?", "🙂", "\x07", "a" * 32_000, "word " * 6_000])
async def test_strange_messages_do_no_harm(memories: Memories, message: str) -> None:
    await memories.add("My dog Biscuit has a bad hip.")
    assert await memories.recalled(message) == []


async def test_while_the_model_loads_shared_words_are_compared_and_that_is_said(
    ledger: Ledger, memory_config: MemoryConfig
) -> None:
    embedder = Embedder(EmbedderConfig(), Path("unused"))
    person = (await ledger.users.create()).id
    facts = [
        await ledger.facts.add(person, NewFact(text, Kind.OTHER, 0.9, "stated", (), datetime.now(UTC)))
        for text in ("My dog Biscuit has a bad hip.", "I work nights at a hospital.")
    ]
    async with Index.open(memory_config, embedder) as index:
        recall = Recall(ledger, index, PATIENT)
        related = await recall.recall(person, "How is my dog?")
        unrelated = await recall.recall(person, "What is the capital of Mongolia?")
        assert (related.status, unrelated.status) == ("words", "words")
        assert "still loading" in related.detail
        assert [found.fact.text for found in related.facts] == ["My dog Biscuit has a bad hip."]
        assert unrelated.facts == ()
        await embedder.ready()
        missing = await recall.recall(person, "How is my dog?")
        assert (missing.status, missing.broken) == ("words", True)
        await index.add_many(facts)
        assert (await recall.recall(person, "How is my dog?")).status == "ok"
    embedder.close()


async def test_asked_what_is_remembered_the_newest_facts_are_told(memories: Memories) -> None:
    told = ["My dog Biscuit has a bad hip.", "I work nights at a hospital.", "I grew up in Porto."]
    for number, text in enumerate(told):
        await memories.add(text, days_ago=3 - number)
    assert sorted(await memories.recalled("What do you know about me?")) == sorted(told)
    assert len(await memories.recalled("What do you know about me?", RecallConfig(deadline_ms=5000, limit=2))) == 2


async def test_late_recalls_leave_nothing_behind_that_breaks_the_next(memories: Memories, ledger: Ledger) -> None:
    await memories.add("My dog Biscuit has a bad hip.")
    hasty = Recall(ledger, memories.index, RecallConfig(deadline_ms=1))
    late = await asyncio.gather(*(hasty.recall(memories.person, f"Biscuit {number}?") for number in range(20)))
    assert {recollection.status for recollection in late} <= {"words", "timeout", "ok"}
    assert await memories.recalled("How is my dog Biscuit?") == ["My dog Biscuit has a bad hip."]


async def test_with_a_damaged_index_words_are_compared_and_the_repair_is_said(
    ledger: Ledger, memory_config: MemoryConfig
) -> None:
    person, told = (await ledger.users.create()).id, list[str]()
    broken = memory_config.home / "index" / person
    broken.mkdir(parents=True)
    (broken / "chroma.sqlite3").write_bytes(b"not a database " * 400)
    await shared_embedder().ready()
    async with Index.open(memory_config, shared_embedder()) as index:
        recollection = await Recall(ledger, index, PATIENT, told.append).recall(person, "How is my dog?")
    assert (recollection.status, recollection.broken, told) == ("words", True, [person])
    assert "attune doctor --rebuild-index" in recollection.detail


async def test_a_model_that_cannot_load_leaves_the_words_and_says_why(
    ledger: Ledger, memory_config: MemoryConfig, tmp_path: Path
) -> None:
    person = (await ledger.users.create()).id
    embedder = Embedder(EmbedderConfig(model=str(tmp_path)), tmp_path)
    async with Index.open(memory_config, embedder) as index:
        with pytest.raises(EmbedderError):
            await embedder.ready()
        recollection = await Recall(ledger, index, PATIENT).recall(person, "How is my dog?")
    assert recollection.status == "words"
    assert "no safetensors" in recollection.detail
    embedder.close()


async def test_the_loop_runs_on_while_recall_works(memories: Memories) -> None:
    await memories.add("My dog Biscuit has a bad hip.")
    recalling = asyncio.create_task(memories.recalled("How is my dog Biscuit doing on the long stairs?"))
    turns = 0
    while not recalling.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10
