import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.config import MemoryConfig
from memory.errors import ConflictError, LedgerError, NotFoundError
from memory.ledger.facts import fingerprint
from memory.ledger.ledger import Ledger
from memory.types import Evidence, Fact, FactOrigin, Kind, Message, NewFact, Person
from tests.fakes.say import Say

AT = datetime(2026, 1, 1, tzinfo=UTC)


def new_fact(
    text: str,
    *messages: Message,
    confidence: float = 0.5,
    origin: FactOrigin = "stated",
    kind: Kind = Kind.PREFERENCE,
    at: datetime = AT,
) -> NewFact:
    return NewFact(text, kind, confidence, origin, tuple(Evidence(m.id, m.text) for m in messages), at)


async def everything(ledger: Ledger, person: Person, limit: int = 3) -> Sequence[Fact]:
    seen: list[Fact] = []
    cursor = None
    while True:
        page, cursor = await ledger.facts.list(person.id, None, cursor, limit)
        seen += page
        if cursor is None:
            return seen


async def test_a_fact_reads_back_as_it_was_added(ledger: Ledger, person: Person, say: Say) -> None:
    first, second = await say("I love tea"), await say("Tea!")
    fact = await ledger.facts.add(person.id, new_fact("Likes tea.", first, second, kind=Kind.GOAL))
    assert (fact.text, fact.kind, fact.confidence, fact.origin) == ("Likes tea.", Kind.GOAL, 0.5, "stated")
    assert fact.evidence == (Evidence(first.id, "I love tea"), Evidence(second.id, "Tea!"))
    assert (fact.valid_from, fact.valid_to, fact.status, fact.superseded_by) == (AT, None, "active", None)
    assert await ledger.facts.get(person.id, fact.id) == fact


async def test_of_each_kind_the_surest_that_were_said_or_confirmed_are_found(
    ledger: Ledger, person: Person, stranger: Person
) -> None:
    async def add(text: str, kind: Kind, confidence: float, origin: FactOrigin = "stated") -> Fact:
        return await ledger.facts.add(person.id, new_fact(text, confidence=confidence, origin=origin, kind=kind))

    first, _, third = [await add(f"name {place}", Kind.IDENTITY, sure) for place, sure in enumerate((0.9, 0.5, 0.9))]
    guess = await add("a guess", Kind.IDENTITY, 0.95, "inferred")
    home = await add("home", Kind.BACKGROUND, 0.2)
    await add("tea", Kind.PREFERENCE, 0.99)
    ended = await add("old home", Kind.BACKGROUND, 0.9)
    await ledger.facts.supersede(person.id, ended.id, home.id)
    await ledger.facts.add(stranger.id, new_fact("theirs", confidence=0.99, kind=Kind.IDENTITY))
    kinds = (Kind.IDENTITY, Kind.BACKGROUND, Kind.STATE)
    assert await ledger.facts.surest(person.id, kinds, 2) == [third, first, home]
    await ledger.reviews.confirm(person.id, guess.id)
    assert [fact.text for fact in await ledger.facts.surest(person.id, kinds, 2)] == ["a guess", third.text, home.text]


async def test_32_identical_facts_at_once_are_one_row_with_32_evidences(
    ledger: Ledger, person: Person, say: Say
) -> None:
    messages = [await say(f"tea {number}") for number in range(32)]
    texts = ["I like tea.", " i  LIKE tea!", "I like “tea”", "I like tea"]
    facts = await asyncio.gather(
        *(ledger.facts.add(person.id, new_fact(texts[n % 4], message)) for n, message in enumerate(messages))
    )
    assert len({fact.id for fact in facts}) == 1
    (stored,) = await everything(ledger, person)
    assert {one.message_id for one in stored.evidence} == {message.id for message in messages}
    assert len(stored.evidence) == 32
    assert 0.9 < stored.confidence < 1


async def test_identical_facts_added_through_two_openings_are_one_row(
    ledger: Ledger, memory_config: MemoryConfig, person: Person, say: Say
) -> None:
    messages = [await say(f"tea {number}") for number in range(10)]
    async with Ledger.open(memory_config) as second:
        await asyncio.gather(
            *(one.facts.add(person.id, new_fact("Tea", m)) for m in messages for one in (ledger, second))
        )
    (stored,) = await everything(ledger, person)
    assert len(stored.evidence) == 10


async def test_saying_it_again_raises_confidence_a_bit_and_a_repeated_job_does_not(
    ledger: Ledger, person: Person, say: Say
) -> None:
    first, second = await say("tea"), await say("tea again")
    once = await ledger.facts.add(person.id, new_fact("Tea", first))
    assert await ledger.facts.add(person.id, new_fact("Tea", first)) == once
    twice = await ledger.facts.add(person.id, new_fact("tea!", second, at=AT - timedelta(days=1)))
    assert (twice.id, twice.text) == (once.id, "Tea")
    assert once.confidence < twice.confidence < once.confidence + 0.1
    assert twice.valid_from == AT - timedelta(days=1)


async def test_the_stronger_origin_and_confidence_win(ledger: Ledger, person: Person, say: Say) -> None:
    said = await say("tea")
    await ledger.facts.add(person.id, new_fact("Tea", origin="inferred", confidence=0.3))
    stated = await ledger.facts.add(person.id, new_fact("Tea", said, confidence=0.8))
    assert stated.origin == "stated" and stated.confidence > 0.8
    edited = await ledger.facts.add(person.id, new_fact("Tea", origin="edited", confidence=1.0))
    assert edited.origin == "edited" and edited.confidence == 1.0
    again = await ledger.facts.add(person.id, new_fact("Tea", await say("tea!"), origin="inferred", confidence=0.1))
    assert again.origin == "edited" and again.confidence == 1.0


async def test_two_people_saying_the_same_have_a_fact_each(ledger: Ledger, person: Person, stranger: Person) -> None:
    mine, theirs = [await ledger.facts.add(one.id, new_fact("Tea")) for one in (person, stranger)]
    assert mine.id != theirs.id
    await ledger.facts.forget(person.id, mine.id)
    assert await ledger.facts.get(stranger.id, theirs.id) == theirs


async def test_evidence_in_a_message_of_somebody_else_is_not_found_and_nothing_is_stored(
    ledger: Ledger, person: Person, stranger: Person, say: Say
) -> None:
    said = await say("tea")
    for evidence in ((said,), ()):
        with pytest.raises(NotFoundError):
            await ledger.facts.add("per_unknown", new_fact("Tea", *evidence))
    with pytest.raises(NotFoundError) as caught:
        await ledger.facts.add(stranger.id, new_fact("Tea", said))
    assert (caught.value.noun, caught.value.id) == ("message", said.id)
    assert await everything(ledger, stranger) == []


async def test_a_confidence_that_is_none_is_refused(ledger: Ledger, person: Person) -> None:
    for confidence in (-0.1, 1.1):
        with pytest.raises(LedgerError, match="confidence"):
            await ledger.facts.add(person.id, new_fact("Tea", confidence=confidence))


async def test_a_superseded_fact_ends_where_the_new_one_begins(ledger: Ledger, person: Person, say: Say) -> None:
    said = await say("I live in Rome")
    old = await ledger.facts.add(person.id, new_fact("Lives in Rome", said))
    new = await ledger.facts.add(person.id, new_fact("Lives in Oslo", at=AT + timedelta(days=9)))
    ended = await ledger.facts.supersede(person.id, old.id, new.id)
    assert (ended.status, ended.superseded_by, ended.valid_to) == ("superseded", new.id, new.valid_from)
    assert await ledger.facts.supersede(person.id, old.id, new.id) == ended
    assert (await ledger.facts.list(person.id))[0] == [new]
    assert (await ledger.facts.list(person.id, "superseded"))[0] == [ended]
    assert await ledger.facts.many(person.id, [old.id, new.id]) == [new]
    assert await ledger.facts.many(person.id, [old.id, new.id], None) == [ended, new]
    for pair in ((new.id, new.id), (new.id, old.id)):
        with pytest.raises(ConflictError):
            await ledger.facts.supersede(person.id, *pair)


async def test_a_repeated_job_does_not_bring_a_superseded_fact_back_but_the_person_can(
    ledger: Ledger, person: Person, say: Say
) -> None:
    said = await say("I live in Rome")
    old = await ledger.facts.add(person.id, new_fact("Lives in Rome", said))
    new = await ledger.facts.add(person.id, new_fact("Lives in Oslo"))
    await ledger.facts.supersede(person.id, old.id, new.id)
    assert (await ledger.facts.add(person.id, new_fact("Lives in Rome", said))).status == "superseded"
    moved_back = await ledger.facts.add(person.id, new_fact("Lives in Rome", await say("back in Rome")))
    assert moved_back.status == "active" and moved_back.id != old.id


async def test_a_forgotten_fact_is_gone_with_its_evidence_and_may_come_anew(
    ledger: Ledger, person: Person, say: Say
) -> None:
    said = await say("tea")
    fact = await ledger.facts.add(person.id, new_fact("Tea", said))
    assert await ledger.facts.forget(person.id, fact.id) == fact
    for gone in (ledger.facts.get, ledger.facts.forget):
        with pytest.raises(NotFoundError):
            await gone(person.id, fact.id)
    assert await ledger.facts.people_with_facts() == []
    anew = await ledger.facts.add(person.id, new_fact("Tea", said))
    assert anew.id != fact.id and len(anew.evidence) == 1


async def test_facts_are_listed_newest_first_without_gap_by_words_and_kind(ledger: Ledger, person: Person) -> None:
    made = [
        await ledger.facts.add(person.id, new_fact(f"Café number {n}", kind=Kind.GOAL if n % 2 else Kind.STATE))
        for n in range(8)
    ]
    assert await everything(ledger, person) == made[::-1]
    assert (await ledger.facts.list(person.id, kinds=[Kind.GOAL]))[0] == made[::-2]
    assert (await ledger.facts.list(person.id, kinds=[]))[0] == []
    assert (await ledger.facts.list(person.id, query="CAFÉ NUMBER 3"))[0] == [made[3]]
    assert (await ledger.facts.list(person.id, query="%"))[0] == []
    assert await ledger.facts.count(person.id) == 8
    assert await ledger.facts.count(person.id, "superseded") == 0


async def test_many_keeps_the_order_and_leaves_out_what_is_not_there(ledger: Ledger, person: Person) -> None:
    facts = [await ledger.facts.add(person.id, new_fact(str(n))) for n in range(5)]
    ids = [facts[3].id, "fact_unknown", facts[0].id, facts[3].id, *(f"fact_{n}" for n in range(1200)), facts[4].id]
    assert await ledger.facts.many(person.id, ids) == [facts[3], facts[0], facts[4]]
    assert await ledger.facts.many(person.id, []) == []


async def test_all_active_facts_are_gone_through_while_others_write(ledger: Ledger, person: Person) -> None:
    made = [await ledger.facts.add(person.id, new_fact(f"fact {n}")) for n in range(205)]
    seen: list[Fact] = []
    async for fact in ledger.facts.all_active(person.id):
        if not seen:
            await ledger.facts.forget(person.id, made[-1].id)
        seen.append(fact)
    assert seen == made[:-1]
    assert await ledger.facts.people_with_facts() == [person.id]


async def test_when_a_fact_was_last_recalled_is_noted(ledger: Ledger, person: Person, stranger: Person) -> None:
    fact = await ledger.facts.add(person.id, new_fact("Tea"))
    await ledger.facts.recalled(stranger.id, [fact.id], AT)
    assert (await ledger.facts.get(person.id, fact.id)).last_recalled_at is None
    await ledger.facts.recalled(person.id, [fact.id], AT)
    assert (await ledger.facts.get(person.id, fact.id)).last_recalled_at == AT


@pytest.mark.parametrize(
    ("one", "other"),
    [("Likes C#", "Likes C"), ("Likes C++", "Likes C"), ("3-4 cats", "34 cats"), ("50% off", "50 off"), ("!!", "?!")],
)
def test_what_means_something_else_has_another_fingerprint(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


@given(st.text())
def test_case_space_and_punctuation_around_do_not_matter(text: str) -> None:
    if any(character.isalnum() for character in text):
        for changed in (text.casefold(), f"  {text}\n", f"“{text}”.", text.replace(" ", " \t")):
            assert fingerprint(changed) == fingerprint(text)


async def test_revising_a_fact_ends_it_and_stores_the_new_one_at_once(ledger: Ledger, person: Person) -> None:
    def edited(text: str) -> NewFact:
        return NewFact(text, Kind.OTHER, 0.9, "edited", (), datetime(2026, 1, 2, tzinfo=UTC))

    old = await ledger.facts.add(person.id, edited("I live in Bern."))
    new = await ledger.facts.revise(person.id, old.id, edited("I live in Basel."))
    assert await ledger.facts.revise(person.id, old.id, edited("I live in Basel!")) == new
    ended = await ledger.facts.get(person.id, old.id)
    assert (ended.status, ended.superseded_by, new.status) == ("superseded", new.id, "active")
    for again, text in ((old.id, "I live in Thun."), (new.id, "i live in BASEL")):
        with pytest.raises(ConflictError):
            await ledger.facts.revise(person.id, again, edited(text))
    assert [f.id for f in (await ledger.facts.list(person.id))[0]] == [new.id]
