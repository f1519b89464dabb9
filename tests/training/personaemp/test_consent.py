"""From the real ledger to a data set and back: who and what is in it, and what taking something back does to it."""

import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memory.config import MemoryConfig, ReflectionConfig
from memory.forget import Forgetting
from memory.ledger.going import Target
from memory.ledger.jobs import FORGET
from memory.ledger.ledger import Ledger
from memory.queue import ReflectionWorker
from memory.types import Evidence, Fact, Kind, Message, NewFact, NewTraitEvidence, Trait
from tests.fakes.examples import example, words
from tests.fakes.fact_index import RememberingIndex
from training.errors import DatasetError
from training.example import Example, Memory
from training.personaemp.check import check_dataset, register
from training.personaemp.dataset import SPLITS, Writer, read_examples
from training.personaemp.identity import Identity, open_identity
from training.personaemp.manifest import BuildInfo, Manifest
from training.personaemp.record import Record
from training.personaemp.sources.ledger import LedgerSource
from training.personaemp.sources.sources import Sources, SourcesConfig
from training.personaemp.split import SplitRule

AT = datetime(2026, 5, 1, tzinfo=UTC)
SMALL = SplitRule(ood=False, test_share=0.4, min_test_people=1)


class NoIndex(RememberingIndex):
    """Nothing was ever put into it."""

    async def forget_person(self, person_id: str) -> None:
        """There is nothing to forget."""

    async def rebuild(self, person_id: str, facts: Sequence[Fact]) -> None:
        """There is nothing to rebuild."""

    async def ids(self, person_id: str) -> set[str]:
        return set()

    async def people(self) -> set[str]:
        return set()


@dataclass
class House:
    """A ledger with people in it, and the road to a data set."""

    ledger: Ledger
    home: Path

    async def person(self, name: str, *said: str, training: bool = True) -> tuple[str, list[Message]]:
        person = (await self.ledger.users.create(name)).id
        await self.ledger.settings.update(person, training=training)
        conversation = await self.ledger.conversations.create(person)
        return person, [await self.say(person, conversation.id, text) for text in said]

    async def say(self, person: str, conversation: str, text: str, **more: object) -> Message:
        appended = await self.ledger.messages.append(person, conversation, "user", text, **more)  # type: ignore[arg-type]
        return appended.message

    async def learn(self, person: str, text: str, *messages: Message) -> Fact:
        evidence = tuple(Evidence(message.id, message.text) for message in messages)
        return await self.ledger.facts.add(person, NewFact(text, Kind.OTHER, 0.9, "stated", evidence, AT))

    async def records(self, dataset: str = "set_one") -> list[Record]:
        source = LedgerSource(self.ledger, dataset)
        return [item async for item in source.records() if isinstance(item, Record)]

    async def build(self, out: Path, work: Path) -> Manifest:
        """Build without a language model: every user turn is a query that rests on all that is known."""
        identity = open_identity(work)
        sources = Sources(SourcesConfig(ledger=True), identity, self.ledger)
        with Writer.open(out, identity) as writer:
            async for record in sources.records():
                if isinstance(record, Record):
                    for one in _examples(record):
                        writer.add(one)
            writer.finish(SMALL, BuildInfo(sources=sources.infos(), consent=await sources.consent()))
        return await register(self.ledger, out)

    async def forget(self, person: str, target: Target) -> int:
        forgetting = Forgetting(self.ledger, NoIndex(), self.home)
        worker = ReflectionWorker(
            self.ledger, NoIndex(), None, ReflectionConfig(), "w1", handlers={FORGET: forgetting.run}
        )
        return (await forgetting.forget(person, target, worker)).going.dataset_rows


def _examples(record: Record) -> list[Example]:
    memories = tuple(Memory(one.text, one.fact_id, one.message_ids) for one in record.known())
    return [
        example(
            record.person, number, query=f"{turn.text} {words(turn.id, 9)}", memory=memories, message_ids=(turn.id,)
        )
        for number, turn in enumerate(record.turns)
    ]


@pytest.fixture
async def house(ledger: Ledger, memory_config: MemoryConfig) -> AsyncIterator[House]:
    yield House(ledger, memory_config.home)


async def test_only_people_who_allow_training_are_exported(house: House) -> None:
    await house.person("ada", "I keep bees.")
    await house.person("bob", "I keep cats.", training=False)
    await house.person("cleo")
    (record,) = await house.records()
    assert [turn.text for turn in record.turns] == ["I keep bees."]
    source = LedgerSource(house.ledger, "set_one")
    assert len([item async for item in source.records()]) == 2
    snapshot = await source.snapshot()
    assert (snapshot.people, snapshot.consenting, snapshot.exported) == (3, 2, 1)


async def test_crises_incognito_and_what_rests_on_them_alone_stay_behind(house: House) -> None:
    person, (bees,) = await house.person("ada", "I keep bees.")
    crisis = await house.say(person, bees.conversation_id, "It is all over.", crisis_level="imminent")
    reply = await house.ledger.messages.append(person, bees.conversation_id, "assistant", "Call.", parent_id=crisis.id)
    unscreened = await house.say(person, bees.conversation_id, "I want to kill myself tonight.")
    hidden = await house.ledger.conversations.create(person, incognito=True)
    secret = await house.say(person, hidden.id, "I have a secret.")
    await house.learn(person, "Sees no way on", crisis, reply.message)
    await house.learn(person, "Wants to die", unscreened)
    await house.learn(person, "Has a secret", secret)
    await house.learn(person, "Keeps bees", crisis, bees)
    (record,) = await house.records()
    assert [turn.text for turn in record.turns] == ["I keep bees."]
    assert [(one.text, one.message_ids) for one in record.memories] == [("Keeps bees", (bees.id,))]


async def test_facts_bear_the_time_since_when_they_were_known(house: House) -> None:
    person, (first,) = await house.person("ada", "I live in Rome.")
    old = await house.learn(person, "Lives in Rome", first)
    second = await house.say(person, first.conversation_id, "I moved to Bari.")
    new = await house.learn(person, "Lives in Bari", second)
    await house.ledger.facts.supersede(person, old.id, new.id)
    third = await house.say(person, first.conversation_id, "How do I find friends?")
    (record,) = await house.records()
    turns = {turn.id: turn for turn in record.turns}
    assert record.known_at(turns[first.id]) == ()
    assert [one.fact_id for one in record.known_at(turns[third.id])] == [new.id]
    assert {one.fact_id: one.at for one in record.memories} == {old.id: old.created_at, new.id: new.created_at}


async def test_what_an_import_tells_was_known_when_it_was_said(house: House) -> None:
    person = (await house.ledger.users.create("ada")).id
    await house.ledger.settings.update(person, training=True)
    conversation = await house.ledger.conversations.create(person, origin="import:elsewhere", created_at=AT)
    first = await house.say(person, conversation.id, "I keep bees.", created_at=AT)
    later = await house.say(person, conversation.id, "They swarm.", created_at=AT + timedelta(hours=1))
    fact = await house.learn(person, "Keeps bees", first)
    (record,) = await house.records()
    turns = {turn.id: turn for turn in record.turns}
    assert record.known_at(turns[first.id]) == ()
    assert [one.fact_id for one in record.known_at(turns[later.id])] == [fact.id]


async def test_names_and_contact_details_are_pseudonyms_of_the_data_set(house: House) -> None:
    person, (said,) = await house.person("ada-lovelace", "My name is Anna Kowalczyk, anna@web.de, +49 30 1234567.")
    await house.learn(person, "Anna Kowalczyk's boss is Jens", said)
    (one,), (again,), (other,) = [await house.records(name) for name in ("set_one", "set_one", "set_two")]
    assert one.turns == again.turns and one.person == again.person
    assert one.turns != other.turns and one.person != other.person
    for word in ("Anna", "Kowalczyk", "web.de", "1234567", "Jens", person, "ada-lovelace"):
        assert word not in repr(one)
    first = one.turns[0].text.removeprefix("My name is ").split(",")[0]
    assert one.memories[0].text.startswith(f"{first}'s boss is ")


async def test_beliefs_come_along_where_there_is_evidence_and_the_person_wants_any(house: House) -> None:
    person, (said,) = await house.person("ada", "I love new ideas.")
    evidence = NewTraitEvidence(Trait.OPENNESS, 1, 0.9, Evidence(said.id, said.text), AT)
    await house.ledger.traits.add(person, said.conversation_id, evidence)
    (record,) = await house.records()
    assert set(record.traits) == {"openness"} and record.traits["openness"].mean > 50
    await house.ledger.settings.update(person, persona=False, memory=False)
    await house.learn(person, "Loves ideas", said)
    (record,) = await house.records()
    assert (record.traits, record.memories) == ({}, ())


async def test_what_is_taken_back_leaves_the_next_data_set_and_the_old_one_is_refused(
    house: House, tmp_path: Path
) -> None:
    people = [await house.person(f"person {n}", f"I keep bees, hive {words(str(n), 3)}.") for n in range(6)]
    for person, (said,) in people:
        await house.learn(person, f"Keeps bees {words(person, 3)}", said)
    manifest = await house.build(tmp_path / "one", tmp_path / "work one")
    assert manifest.build.consent is not None and manifest.build.consent.exported == manifest.people == 6
    assert await check_dataset(tmp_path / "one", house.ledger) == manifest
    shutil.copytree(tmp_path / "one", tmp_path / "copy")

    (erased, _), (withdrawn, _), (forgetful, (bees,)), *_ = people
    planned = (await house.ledger.erasures.plan(erased, Target("person"))).dataset_rows
    assert await house.forget(erased, Target("person")) == planned == 1
    await house.ledger.settings.update(withdrawn, training=False)
    assert await house.forget(forgetful, Target("message", (bees.id,))) == 1
    for directory in (tmp_path / "one", tmp_path / "copy"):
        with pytest.raises(DatasetError, match="of its 6 rows 2 forgotten and 1 withdrawn since it was built"):
            await check_dataset(directory, house.ledger)

    next_one = await house.build(tmp_path / "two", tmp_path / "work two")
    assert await check_dataset(tmp_path / "two", house.ledger) == next_one
    old = {one.query for split in manifest.files for one in read_examples(tmp_path / "one", split)}
    new = {one.query for split in next_one.files for one in read_examples(tmp_path / "two", split)}
    assert len(new) == 3 and new < old
    aliases = [
        {one.person for split in SPLITS if split in made.files for one in read_examples(tmp_path / name, split)}
        for name, made in (("one", manifest), ("two", next_one))
    ]
    assert aliases[0].isdisjoint(aliases[1])


async def test_what_was_forgotten_between_writing_and_registering_is_marked(house: House, tmp_path: Path) -> None:
    for number in range(4):
        await house.person(f"person {number}", f"I keep bees, hive {words(str(number), 3)}.")
    identity = open_identity(tmp_path / "work")
    sources = Sources(SourcesConfig(ledger=True), identity, house.ledger)
    records = [item async for item in sources.records() if isinstance(item, Record)]
    with Writer.open(tmp_path / "set", identity) as writer:
        for record in records:
            for one in _examples(record):
                writer.add(one)
        writer.finish(SMALL, BuildInfo(consent=await sources.consent()))
    (person, *_), _ = await house.ledger.users.list()
    await house.forget(person.id, Target("person"))
    with pytest.raises(DatasetError, match="1 forgotten"):
        await check_dataset(tmp_path / "set", house.ledger)


async def test_a_data_set_of_another_ledger_or_a_changed_one_is_refused(house: House, tmp_path: Path) -> None:
    for number in range(4):
        await house.person(f"person {number}", f"I keep bees, hive {words(str(number), 3)}.")
    await house.build(tmp_path / "set", tmp_path / "work")
    with pytest.raises(DatasetError, match="without it nobody can tell"):
        await check_dataset(tmp_path / "set", None)
    async with Ledger.open(MemoryConfig(home=tmp_path / "elsewhere")) as other:
        with pytest.raises(DatasetError, match="was not built from this ledger"):
            await check_dataset(tmp_path / "set", other)
    manifest = tmp_path / "set" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"preset": "paper"', '"preset": "full"'))
    with pytest.raises(DatasetError, match="was changed after it was built"):
        await check_dataset(tmp_path / "set", house.ledger)
    (tmp_path / "set" / "test.parquet").unlink()
    with pytest.raises(DatasetError, match=r"test\.parquet"):
        await check_dataset(tmp_path / "set", house.ledger)


async def test_a_data_set_without_people_of_a_ledger_needs_none(tmp_path: Path) -> None:
    with Writer.open(tmp_path / "set", Identity("set_base", "00", AT)) as writer:
        for number in range(4):
            writer.add(example(f"a_{number}"))
        written = writer.finish(SMALL, BuildInfo())
    assert await check_dataset(tmp_path / "set", None) == written
