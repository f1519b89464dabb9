from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from memory.errors import NotFoundError
from memory.ledger import tables
from memory.ledger.datasets import DatasetRow, Reason
from memory.ledger.ledger import Ledger
from memory.types import Evidence, Fact, Kind, Message, NewFact, Person
from tests.fakes.say import Say

SET = "set_one"
AT = datetime(2026, 5, 1, tzinfo=UTC)
Learn = Callable[[str, Message], Awaitable[Fact]]


@pytest.fixture
async def consenting(ledger: Ledger, person: Person) -> Person:
    await ledger.settings.update(person.id, training=True)
    await ledger.datasets.begin(SET)
    return person


@pytest.fixture
def learn(ledger: Ledger, person: Person) -> Learn:
    async def add(text: str, message: Message) -> Fact:
        new = NewFact(text, Kind.OTHER, 0.9, "stated", (Evidence(message.id, message.text),), AT)
        return await ledger.facts.add(person.id, new)

    return add


async def finish(ledger: Ledger, *rows: DatasetRow) -> Mapping[Reason, int]:
    async def told() -> AsyncIterator[DatasetRow]:
        for row in rows:
            yield row

    return await ledger.datasets.finish(SET, "/sets/one", "abc", told())


async def alias(ledger: Ledger, person: Person) -> str:
    place = await ledger.datasets.place(SET, person.id)
    assert place is not None
    return place.alias


async def marked(ledger: Ledger) -> dict[str, str]:
    return {row.row_id: row.reason for row in await ledger.datasets.marked(SET)}


async def test_a_place_is_given_once_and_differs_between_data_sets(ledger: Ledger, consenting: Person) -> None:
    await ledger.datasets.begin("set_two")
    first, again = [await ledger.datasets.place(SET, consenting.id) for _ in range(2)]
    other = await ledger.datasets.place("set_two", consenting.id)
    assert first == again and first is not None and other is not None
    assert first.alias != other.alias and first.secret != other.secret
    assert consenting.id not in first.alias


async def test_who_does_not_consent_gets_no_place(ledger: Ledger, consenting: Person, stranger: Person) -> None:
    assert await ledger.datasets.place(SET, stranger.id) is None
    await ledger.settings.update(consenting.id, training=False)
    assert await ledger.datasets.place(SET, consenting.id) is None
    with pytest.raises(NotFoundError):
        await ledger.datasets.place("set_unknown", consenting.id)


async def test_those_who_consent_are_told_whatever_their_number(ledger: Ledger) -> None:
    people = [await ledger.users.create(f"person {number}") for number in range(205)]
    for person in people[:-1]:
        await ledger.settings.update(person.id, training=True)
    found = [person_id async for person_id in ledger.settings.consenting("training")]
    assert found == sorted(person.id for person in people[:-1])


async def test_forgetting_a_fact_marks_the_rows_that_rest_on_it(
    ledger: Ledger, consenting: Person, say: Say, learn: Learn
) -> None:
    said = await say("I keep bees, and a dog.")
    bees, dog = await learn("Keeps bees", said), await learn("Has a dog", said)
    mine = await alias(ledger, consenting)
    assert await finish(ledger, DatasetRow("r1", mine, (bees.id,)), DatasetRow("r2", mine, (dog.id,))) == {}
    await ledger.facts.forget(consenting.id, bees.id)
    assert await marked(ledger) == {"r1": "forgotten"}
    assert await ledger.datasets.marked_counts(SET) == {"forgotten": 1}


async def test_forgetting_a_conversation_marks_what_rests_on_its_messages(
    ledger: Ledger, consenting: Person, say: Say
) -> None:
    said = await say("I keep bees.")
    await finish(ledger, DatasetRow("r1", await alias(ledger, consenting), (said.id,)))
    await ledger.conversations.delete(consenting.id, said.conversation_id)
    assert await marked(ledger) == {"r1": "forgotten"}


async def test_deleting_a_person_marks_their_rows_and_leaves_no_mapping(
    ledger: Ledger, consenting: Person, stranger: Person, say: Say
) -> None:
    await ledger.settings.update(stranger.id, training=True)
    said = await say("I keep bees.")
    theirs, other = await alias(ledger, consenting), await alias(ledger, stranger)
    await finish(
        ledger, DatasetRow("r1", theirs, (said.id,)), DatasetRow("r2", theirs, ()), DatasetRow("r3", other, ())
    )
    await ledger.users.delete(consenting.id)
    assert await marked(ledger) == {"r1": "forgotten", "r2": "forgotten"}
    async with ledger.database.reading() as connection:
        places = (await connection.execute(select(tables.dataset_people.c.person_id))).scalars().all()
        sources = (await connection.execute(select(tables.dataset_sources))).all()
    assert (places, sources) == ([stranger.id], [])


async def test_withdrawing_the_consent_marks_all_rows_and_giving_it_again_unmarks_none(
    ledger: Ledger, consenting: Person
) -> None:
    await finish(ledger, DatasetRow("r1", await alias(ledger, consenting), ()))
    await ledger.settings.update(consenting.id, locale="en")
    assert await marked(ledger) == {}
    await ledger.settings.update(consenting.id, training=False)
    await ledger.settings.update(consenting.id, training=True)
    assert await marked(ledger) == {"r1": "withdrawn"}


async def test_what_went_while_the_set_was_built_is_marked_when_it_is_finished(
    ledger: Ledger, consenting: Person, stranger: Person, say: Say, learn: Learn
) -> None:
    await ledger.settings.update(stranger.id, training=True)
    said = await say("I keep bees, and a dog.")
    bees, dog = await learn("Keeps bees", said), await learn("Has a dog", said)
    mine, other = await alias(ledger, consenting), await alias(ledger, stranger)
    await ledger.facts.forget(consenting.id, bees.id)
    await ledger.users.delete(stranger.id)
    rows = (DatasetRow("r1", mine, (bees.id,)), DatasetRow("r2", mine, (dog.id,)), DatasetRow("r3", other, ()))
    assert await finish(ledger, *rows) == {"forgotten": 2}
    assert await marked(ledger) == {"r1": "forgotten", "r3": "forgotten"}
    await ledger.settings.update(consenting.id, training=False)
    assert await finish(ledger, *rows) == {"forgotten": 2, "withdrawn": 1}


async def test_a_row_cannot_rest_on_what_is_somebody_elses(
    ledger: Ledger, consenting: Person, stranger: Person, say: Say
) -> None:
    await ledger.settings.update(stranger.id, training=True)
    said = await say("I keep bees.")
    assert await finish(ledger, DatasetRow("r1", await alias(ledger, stranger), (said.id,))) == {"forgotten": 1}


async def test_a_data_set_tells_where_and_what_was_written(ledger: Ledger, consenting: Person) -> None:
    assert (await ledger.datasets.get(SET)).finished_at is None
    rows = [DatasetRow(f"r{number}", await alias(ledger, consenting), ()) for number in range(450)]
    await finish(ledger, *rows)
    await finish(ledger, *rows)
    written = await ledger.datasets.get(SET)
    assert (written.path, written.manifest_sha256) == ("/sets/one", "abc") and written.finished_at is not None
    with pytest.raises(NotFoundError):
        await ledger.datasets.get("set_unknown")
