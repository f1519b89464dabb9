from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.config import MemoryConfig, RecallConfig
from memory.index import Index
from memory.ledger.ledger import Ledger
from memory.profile import KINDS, profile
from memory.recall import Recall
from memory.tokens import estimate_tokens
from memory.types import Evidence, Fact, FactOrigin, FactReview, Kind, NewFact, RecalledFact
from tests.fakes.embedding import shared_embedder
from tests.fakes.facts import fact

CONFIG = RecallConfig(deadline_ms=60_000)
NAME, JOB = "My name is Ada.", "I work nights as a nurse."
SISTER, TABOO = "My sister is Leila.", "Never mention my father."


def known(text: str, kind: Kind, messages: int = 1, confidence: float = 0.9) -> Fact:
    evidence = tuple(Evidence(f"{text} {number}", text) for number in range(messages))
    return replace(fact("ada", text), kind=kind, evidence=evidence, confidence=confidence)


def texts(*facts: Fact, recalled: tuple[Fact, ...] = (), budget: int = 400, config: RecallConfig = CONFIG) -> list[str]:
    found = [RecalledFact(one, 0.5) for one in recalled]
    return [one.text for one in profile(facts, found, (), budget, config)]


PERSON = (
    known(JOB, Kind.BACKGROUND),
    known("I am 34 years old.", Kind.IDENTITY),
    known(SISTER, Kind.RELATIONSHIP),
    known(NAME, Kind.IDENTITY, messages=2),
    known(TABOO, Kind.BOUNDARY),
)


def test_each_kind_has_its_best_fact_before_any_has_its_second() -> None:
    assert texts(*PERSON) == [NAME, JOB, SISTER, TABOO, "I am 34 years old."]


@pytest.mark.parametrize("kind", sorted(set(Kind) - set(KINDS)))
def test_other_kinds_wait_until_a_message_calls_them_up(kind: Kind) -> None:
    assert texts(known("I like tea.", kind, messages=9)) == []


def test_a_state_is_lasting_once_two_messages_said_it() -> None:
    assert texts(known("I have diabetes.", Kind.STATE)) == []
    assert texts(known("I have diabetes.", Kind.STATE, messages=2)) == ["I have diabetes."]


def test_what_was_said_most_often_comes_first_then_the_surest() -> None:
    often = known("I live in Porto.", Kind.BACKGROUND, messages=3, confidence=0.6)
    sure = known("I grew up in Bern.", Kind.BACKGROUND, confidence=0.95)
    assert texts(known(JOB, Kind.BACKGROUND, confidence=0.5), sure, often) == [often.text, sure.text]


@pytest.mark.parametrize(
    ("origin", "review", "stands"),
    [
        ("stated", None, True),
        ("edited", None, True),
        ("inferred", "confirmed", True),
        ("inferred", None, False),
        ("inferred", "declined", False),
    ],
)
def test_only_what_was_said_or_confirmed_may_stand_there(
    origin: FactOrigin, review: FactReview | None, stands: bool
) -> None:
    guess = replace(known(JOB, Kind.BACKGROUND), origin=origin, review=review)
    assert texts(guess) == ([JOB] if stands else [])


def test_what_has_ended_does_not_stand_there() -> None:
    assert texts(replace(known(JOB, Kind.BACKGROUND), status="superseded")) == []


def test_what_was_called_up_is_not_said_twice_and_makes_room_for_the_next() -> None:
    name = next(one for one in PERSON if one.text == NAME)
    again = known("MY NAME is Ada", Kind.IDENTITY)
    assert texts(*PERSON, again, recalled=(name,)) == ["I am 34 years old.", JOB, SISTER, TABOO]


def test_words_of_the_message_itself_are_not_repeated() -> None:
    said = known(JOB, Kind.BACKGROUND)
    assert profile([said], [], {said.evidence[0].message_id}, 400, CONFIG) == ()


@given(
    budget=st.integers(0, 200),
    share=st.floats(0, 1),
    limit=st.integers(0, 6),
    lengths=st.lists(st.integers(1, 40), max_size=8),
    kinds=st.lists(st.sampled_from(list(Kind)), min_size=12, max_size=12),
)
def test_the_profile_keeps_to_its_part_and_to_what_recall_left(
    budget: int, share: float, limit: int, lengths: list[int], kinds: list[Kind]
) -> None:
    config = RecallConfig(profile_share=share, profile_limit=limit)
    recalled = [RecalledFact(fact("ada", "word " * length), 0.5) for length in lengths]
    spent = sum(estimate_tokens(one.fact.text) for one in recalled)
    facts = [known(f"number {place} " * (1 + place), kind) for place, kind in enumerate(kinds)]
    chosen = profile(facts, recalled, (), budget, config)
    cost = sum(estimate_tokens(one.text) for one in chosen)
    assert len(chosen) <= limit
    assert cost <= share * budget
    assert not chosen or spent + cost <= budget


# ------------------------------------------------------------------ through recall


@pytest.fixture
async def index(memory_config: MemoryConfig) -> AsyncIterator[Index]:
    await shared_embedder().ready()
    async with Index.open(memory_config, shared_embedder()) as opened:
        yield opened


async def told(ledger: Ledger, index: Index, person: str, text: str, kind: Kind, origin: FactOrigin = "stated") -> Fact:
    added = await ledger.facts.add(person, NewFact(text, kind, 0.9, origin, (), datetime.now(UTC)))
    await index.add(added)
    return added


async def test_a_message_about_nothing_known_gets_the_profile_and_calls_up_nothing(
    ledger: Ledger, index: Index
) -> None:
    ada, bob = (await ledger.users.create()).id, (await ledger.users.create()).id
    for text, kind in ((NAME, Kind.IDENTITY), (JOB, Kind.BACKGROUND), ("I like tea.", Kind.PREFERENCE)):
        await told(ledger, index, ada, text, kind)
    await told(ledger, index, ada, "I seem to live alone.", Kind.BACKGROUND, "inferred")
    await told(ledger, index, bob, "My name is Bob.", Kind.IDENTITY)
    recall = Recall(ledger, index, CONFIG)
    found = await recall.recall(ada, "What is the capital of Mongolia?")
    assert (found.status, found.facts, [one.text for one in found.profile]) == ("ok", (), [NAME, JOB])
    asked = await recall.recall(ada, "Should I ask for fewer night shifts as a nurse?")
    assert ([one.fact.text for one in asked.facts], [one.text for one in asked.profile]) == ([JOB], [NAME])
    assert (await recall.recall(ada, "What is the capital of Mongolia?", budget_tokens=8)).profile == ()
    without = Recall(ledger, index, CONFIG.model_copy(update={"profile_limit": 0}))
    assert (await without.recall(ada, "What is the capital of Mongolia?")).profile == ()


async def test_forgotten_and_superseded_facts_leave_the_profile_at_once(ledger: Ledger, index: Index) -> None:
    person = (await ledger.users.create()).id
    name = await told(ledger, index, person, NAME, Kind.IDENTITY)
    old = await told(ledger, index, person, "I live in Leeds.", Kind.BACKGROUND)
    new = await told(ledger, index, person, "I live in Porto.", Kind.BACKGROUND)
    await ledger.facts.supersede(person, old.id, new.id)
    await ledger.facts.forget(person, name.id)
    found = await Recall(ledger, index, CONFIG).recall(person, "What is the capital of Mongolia?")
    assert [one.text for one in found.profile] == [new.text]
