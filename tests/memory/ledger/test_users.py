import asyncio
from collections.abc import AsyncIterator

import pytest

from memory.errors import ConflictError, NotFoundError
from memory.ids import is_id
from memory.ledger.datasets import DatasetRow
from memory.ledger.going import Target
from memory.ledger.ledger import Ledger
from memory.types import Evidence, Kind, NewFact, NewTraitEvidence, Trait


async def test_a_person_gets_an_opaque_id(ledger: Ledger) -> None:
    person = await ledger.users.create()
    assert is_id(person.id, "per")
    assert await ledger.users.get(person.id) == person


async def test_an_unknown_person_is_not_found(ledger: Ledger) -> None:
    for id in ("", "*", "per_unknown"):
        with pytest.raises(NotFoundError):
            await ledger.users.get(id)


async def test_people_without_a_name_are_different_people(ledger: Ledger) -> None:
    first, second = await ledger.users.create(), await ledger.users.create()
    assert first.id != second.id


async def test_a_name_is_given_once_by_each_app_and_once_without_one(ledger: Ledger) -> None:
    people = [await ledger.users.create("ada", app) for app in (None, "key_1", "key_2")]
    assert len({person.id for person in people}) == 3
    for app in (None, "key_1"):
        with pytest.raises(ConflictError, match="ada"):
            await ledger.users.create("ada", app)
    assert await ledger.users.by_external("ada") == people[0]
    assert await ledger.users.by_external("ada", "key_2") == people[2]
    with pytest.raises(NotFoundError):
        await ledger.users.by_external("eve")


async def test_an_app_naming_somebody_32_times_at_once_names_one_person(ledger: Ledger) -> None:
    people = await asyncio.gather(*(ledger.users.ensure_external("key_1", "ada") for _ in range(32)))
    assert len(set(people)) == 1
    assert people[0].external_id == "ada"


async def test_there_is_one_owner_however_often_and_at_once_they_are_asked_for(ledger: Ledger) -> None:
    owners = await asyncio.gather(*(ledger.users.owner() for _ in range(32)))
    assert len(set(owners)) == 1
    assert await ledger.users.owner() == owners[0]


async def test_people_are_listed_page_by_page_without_gap_or_repetition(ledger: Ledger) -> None:
    made = [await ledger.users.create() for _ in range(7)]
    seen, cursor = [], None
    while True:
        page, cursor = await ledger.users.list(cursor, limit=3)
        seen += page
        if cursor is None:
            break
    assert seen == made


async def test_deleting_a_person_deletes_every_row_of_theirs_and_no_other(ledger: Ledger) -> None:
    people = [await ledger.users.create() for _ in range(2)]
    rows = []
    await ledger.datasets.begin("set_one")
    for person in people:
        await ledger.keys.create("user", person.id)
        await ledger.settings.update(person.id, training=True)
        conversation = await ledger.conversations.create(person.id)
        said = (await ledger.messages.append(person.id, conversation.id, "user", "tea")).message
        reply = (await ledger.messages.append(person.id, conversation.id, "assistant", "ok")).message
        await ledger.feedback.put(person.id, reply.id, "up")
        evidence, at = Evidence(said.id, "tea"), said.created_at
        await ledger.facts.add(person.id, NewFact("Tea.", Kind.PREFERENCE, 0.5, "stated", (evidence,), at))
        observed = NewTraitEvidence(Trait.OPENNESS, 1, 0.5, evidence, at)
        await ledger.traits.add(person.id, conversation.id, observed)
        await ledger.jobs.enqueue(person.id, "reflect", {})
        await ledger.trait_controls.freeze(person.id, Trait.OPENNESS, at)
        coffee = await ledger.facts.add(person.id, NewFact("Coffee.", Kind.PREFERENCE, 0.5, "stated", (), at))
        forgetting = await ledger.jobs.enqueue(person.id, "forget", {})
        await ledger.erasures.erase(person.id, Target("fact", (coffee.id,)), forgetting.id)
        place = await ledger.datasets.place("set_one", person.id)
        assert place is not None
        rows.append(DatasetRow(f"row of {person.id}", place.alias, (said.id,)))
    await ledger.datasets.finish("set_one", "/sets/one", "abc", _told(rows))
    before = await _rows(ledger)
    await ledger.users.delete(people[0].id)
    after = await _rows(ledger)
    assert {name: count * 2 for name, count in after.items()} == before
    assert min(before.values()) == 2
    with pytest.raises(NotFoundError):
        await ledger.users.delete(people[0].id)


WITHOUT_PEOPLE = ("audit", "policies", "policy_turns", "safety_counts", "datasets", "dataset_rows", "job_answers")
"""Tables that name nobody, or must remember what was done when somebody is gone."""


async def _told(rows: list[DatasetRow]) -> AsyncIterator[DatasetRow]:
    for row in rows:
        yield row


async def _rows(ledger: Ledger) -> dict[str, int]:
    from sqlalchemy import func, select

    from memory.ledger.tables import metadata

    found = {}
    async with ledger.database.reading() as connection:
        for table in metadata.sorted_tables:
            if table.name not in WITHOUT_PEOPLE:
                count = await connection.execute(select(func.count()).select_from(table))
                found[table.name] = count.scalar_one()
    return found
