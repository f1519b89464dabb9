"""Several people use one ledger and one index at random, with each other's ids and with hostile ones.

Whatever somebody does, everything of everybody else stays to the letter, and nothing of it is ever answered. A few
hundred steps by default; thousands with

    ATTUNE_ISOLATION_STEPS=5000 pytest tests/memory/test_isolation.py
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from memory.config import MemoryConfig, RecallConfig, ReflectionConfig
from memory.errors import ConflictError, NotFoundError
from memory.forget import Forgetting
from memory.ids import new_id
from memory.index import Index
from memory.ledger.columns import UnstorableError
from memory.ledger.going import Scope, Target
from memory.ledger.jobs import FORGET
from memory.ledger.ledger import Ledger
from memory.ledger.page import InvalidCursorError
from memory.queue import ReflectionWorker
from memory.recall import Recall
from memory.types import Evidence, Fact, Kind, NewFact
from tests.fakes.embedding import shared_embedder

T = TypeVar("T")

WANTED = os.environ.get("ATTUNE_ISOLATION_STEPS")
STEPS = int(WANTED or "90")
STEPS_AT_ONCE = 15
PEOPLE = 3

AT = datetime(2026, 5, 1, tzinfo=UTC)
SAYINGS = ("My dog is called {}", "I work as a nurse in {}", "I love swimming with {}", "I like tea", "I am 31")
"""Those without a place for the person's own word are said alike by everybody."""
HOSTILE = (
    *("*", "%", "_", "", "..", "../../etc/passwd", "' OR '1'='1", "'; DROP TABLE facts; --", "fact_*"),
    *('{"$ne": null}', '{"$or": [{}]}', '"} {"user_id": "*"', "null", "1 UNION SELECT * FROM facts", "x' OR 1=1 --"),
    *(
        '{"user_id": {"$in": ["*"]}}',
        '{"$and": [{"user_id": {"$ne": ""}}]}',
        '{"$contains": ""}',
        "$not_contains",
        "per_*",
    ),
)

actors = st.integers(0, PEOPLE - 1)
sayings = st.sampled_from(SAYINGS)
hostile = st.sampled_from(HOSTILE)
picks = st.integers(0, 1_000)


@dataclass
class Person:
    """Somebody, and a word that nobody else ever says."""

    id: str
    word: str
    seen: dict[str, Any] = field(default_factory=dict)
    """All that stood in their name when it was last looked at."""


@dataclass(frozen=True)
class House:
    """What everybody shares."""

    ledger: Ledger
    index: Index
    recall: Recall
    forgetting: Forgetting
    worker: ReflectionWorker
    run: asyncio.Runner
    steps: list[str] = field(default_factory=list)

    def do(self, what: Awaitable[T]) -> T:
        async def done() -> T:
            return await what

        return self.run.run(done())

    async def all_of(self, person: Person) -> dict[str, Any]:
        facts = (await self.ledger.facts.list(person.id, None, limit=500))[0]
        talks = (await self.ledger.conversations.list(person.id, limit=500))[0]
        said = {talk.id: (await self.ledger.messages.list(person.id, talk.id, limit=500))[0] for talk in talks}
        return {
            "facts": {fact.id: fact for fact in facts},
            "talks": {talk.id: talk for talk in talks},
            "said": said,
            "index": await self.index.ids(person.id),
        }

    async def people(self) -> list[Person]:
        made = [Person((await self.ledger.users.create()).id, new_id("word")[5:]) for _ in range(PEOPLE)]
        for person in made:
            await self.ledger.conversations.create(person.id)
            person.seen = await self.all_of(person)
            for saying in SAYINGS[2:4]:
                await self.tell(person, saying.format(person.word), *person.seen["talks"])
            person.seen = await self.all_of(person)
        return made

    async def tell(self, person: Person, text: str, talk: str) -> Fact:
        message = (await self.ledger.messages.append(person.id, talk, "user", text)).message
        fact = await self.ledger.facts.add(person.id, new_fact(text, Evidence(message.id, text)))
        await self.index.add(fact)
        return fact


def new_fact(text: str, *evidence: Evidence) -> NewFact:
    return NewFact(text, Kind.OTHER, 0.9, "stated", evidence, AT)


@asynccontextmanager
async def open_house(home: Path, run: asyncio.Runner) -> AsyncIterator[House]:
    config = MemoryConfig(home=home)
    await shared_embedder().ready()
    async with Ledger.open(config) as ledger, Index.open(config, shared_embedder()) as index:
        forgetting = Forgetting(ledger, index, home)
        worker = ReflectionWorker(ledger, index, None, ReflectionConfig(), "w1", handlers={FORGET: forgetting.run})
        recall = Recall(ledger, index, RecallConfig(deadline_ms=30_000, min_score=-1, limit=50, token_budget=4_000))
        yield House(ledger, index, recall, forgetting, worker, run)


class Isolation(RuleBasedStateMachine):
    """Everybody does something in turn; after each step everybody else is looked at."""

    house: House
    """Set before it runs: all runs share one house, in which ever more people live."""

    def __init__(self) -> None:
        super().__init__()
        self.people = self.house.do(self.house.people())

    def one(self, actor: int, other: int) -> tuple[Person, Person]:
        """Return two different people."""
        return self.people[actor], self.people[(actor + 1 + other % (PEOPLE - 1)) % PEOPLE]

    def look(self, name: str, *changed: Person) -> None:
        """Check that nobody but `changed` is other than before, and that nothing of one person is with another."""
        self.house.steps.append(name)
        for person in self.people:
            now = self.house.do(self.house.all_of(person))
            if person not in changed:
                assert now == person.seen
            person.seen = now
            active = {fact.id for fact in now["facts"].values() if fact.status == "active"}
            assert now["index"] == active
            self.is_own(person, now)
        ids = [id for person in self.people for kind in ("facts", "talks") for id in person.seen[kind]]
        assert len(ids) == len(set(ids))

    def is_own(self, person: Person, answer: object) -> None:
        told = repr(answer)
        for other in self.people:
            if other is not person:
                assert other.word not in told
                assert other.id not in told

    def refused(self, what: Awaitable[object], *errors: type[Exception]) -> None:
        with pytest.raises(errors or NotFoundError):
            self.house.do(what)

    def fact_of(self, person: Person, pick: int, status: str | None = None) -> Fact | None:
        facts = [fact for fact in person.seen["facts"].values() if status in (None, fact.status)]
        return facts[pick % len(facts)] if facts else None

    def talk_of(self, person: Person, pick: int = 0) -> str:
        talks = sorted(person.seen["talks"])
        return str(talks[pick % len(talks)])

    # ------------------------------------------------------------ what people may do

    @rule(actor=actors)
    def begin_a_conversation(self, actor: int) -> None:
        person = self.people[actor]
        talk = self.house.do(self.house.ledger.conversations.create(person.id, title=f"About {person.word}"))
        self.look("create", person)
        assert talk.id in person.seen["talks"]

    @rule(actor=actors, saying=sayings, pick=picks)
    def say_and_learn(self, actor: int, saying: str, pick: int) -> None:
        person = self.people[actor]
        fact = self.house.do(self.house.tell(person, saying.format(person.word), self.talk_of(person, pick)))
        self.look("learn", person)
        assert person.seen["facts"][fact.id].text == fact.text

    @rule(actor=actors, saying=sayings, pick=picks)
    def edit(self, actor: int, saying: str, pick: int) -> None:
        person, ledger = self.people[actor], self.house.ledger
        old = self.fact_of(person, pick, "active")
        if old is None or old.text == saying.format(person.word):
            return

        async def revise() -> Fact:
            fact = await ledger.facts.revise(person.id, old.id, new_fact(saying.format(person.word)))
            await self.house.index.add(fact)
            await self.house.index.forget(person.id, [old.id])
            return fact

        fact = self.house.do(revise())
        self.look("edit", person)
        assert person.seen["facts"][old.id].superseded_by == fact.id

    @rule(actor=actors, pick=picks)
    def forget(self, actor: int, pick: int) -> None:
        person = self.people[actor]
        fact = self.fact_of(person, pick)
        if fact is None:
            return
        target = Target("fact", (fact.id,))
        self.house.do(self.house.forgetting.forget(person.id, target, self.house.worker))
        self.look("forget", person)
        assert fact.id not in person.seen["facts"]

    @rule(actor=actors, other=actors, saying=sayings)
    def recall_what_somebody_else_said(self, actor: int, other: int, saying: str) -> None:
        one, two = self.one(actor, other)
        query = saying.format(two.word)
        found = self.house.do(self.house.recall.recall(one.id, query))
        assert found.status == "ok"
        assert {called.fact.id for called in found.facts} <= set(one.seen["facts"])
        near = self.house.do(self.house.index.search(one.id, query, 50))
        assert {fact_id for fact_id, _ in near} == one.seen["index"]
        self.is_own(one, found)
        self.look("recall")

    # ------------------------------------------------------------ what they may not

    @rule(actor=actors, other=actors, pick=picks)
    def read_by_swapped_ids(self, actor: int, other: int, pick: int) -> None:
        one, two = self.one(actor, other)
        ledger, talk, fact = self.house.ledger, self.talk_of(two, pick), self.fact_of(two, pick)
        self.refused(ledger.conversations.get(one.id, talk))
        self.refused(ledger.messages.list(one.id, talk))
        for message in two.seen["said"][talk][:1]:
            self.refused(ledger.messages.get(one.id, message.id))
            self.refused(ledger.messages.path(one.id, message.id))
            self.refused(ledger.messages.list(one.id, self.talk_of(one), leaf=message.id))
        if fact is not None:
            self.refused(ledger.facts.get(one.id, fact.id))
            mine = list(one.seen["facts"])
            asked = self.house.do(ledger.facts.many(one.id, [fact.id, *mine, *HOSTILE], status=None))
            assert [found.id for found in asked] == mine
        self.look("swapped read")

    @rule(actor=actors, other=actors, pick=picks, saying=sayings)
    def change_by_swapped_ids(self, actor: int, other: int, pick: int, saying: str) -> None:
        one, two = self.one(actor, other)
        ledger, talk = self.house.ledger, self.talk_of(two, pick)
        self.refused(ledger.messages.append(one.id, talk, "user", "hello"))
        self.refused(ledger.conversations.update(one.id, talk, title="mine now"))
        self.refused(ledger.conversations.delete(one.id, talk))
        for message in two.seen["said"][talk][:1]:
            self.refused(ledger.messages.append(one.id, self.talk_of(one), "user", "hello", parent_id=message.id))
            self.refused(ledger.messages.set_crisis_level(one.id, message.id, "high"))
            self.refused(
                ledger.facts.add(one.id, new_fact(saying.format(one.word), Evidence(message.id, message.text)))
            )
        theirs, mine = self.fact_of(two, pick), self.fact_of(one, pick)
        if theirs is not None:
            self.refused(ledger.facts.revise(one.id, theirs.id, new_fact(saying.format(one.word))))
            self.refused(ledger.facts.forget(one.id, theirs.id))
            self.refused(ledger.reviews.confirm(one.id, theirs.id))
            self.refused(ledger.reviews.decline(one.id, theirs.id))
            self.house.do(ledger.facts.recalled(one.id, [theirs.id, *HOSTILE], AT))
            self.house.do(self.house.index.forget(one.id, [theirs.id]))
        if theirs is not None and mine is not None:
            self.refused(ledger.facts.supersede(one.id, mine.id, theirs.id))
            self.refused(ledger.facts.supersede(one.id, theirs.id, mine.id))
            self.refused(ledger.facts.supersede(two.id, mine.id, theirs.id))
        self.look("swapped write")

    @rule(actor=actors, other=actors, pick=picks, scope=st.sampled_from(["fact", "message", "conversation"]))
    def forget_by_swapped_ids(self, actor: int, other: int, pick: int, scope: Scope) -> None:
        one, two = self.one(actor, other)
        talk = self.talk_of(two, pick)
        said, fact = two.seen["said"][talk], self.fact_of(two, pick)
        ids = {"conversation": [talk], "message": [said[0].id] if said else [], "fact": [fact.id] if fact else []}
        mine = {"conversation": [self.talk_of(one)], "message": [], "fact": list(one.seen["facts"])[:1]}
        for theirs in ids[scope]:
            for target in (Target(scope, (theirs,)), Target(scope, (*mine[scope], theirs))):
                self.refused(self.house.forgetting.plan(one.id, target))
                self.refused(self.house.forgetting.forget(one.id, target, self.house.worker))
        self.look("swapped forget")

    @rule(actor=actors, other=actors, id=hostile)
    def use_a_hostile_id(self, actor: int, other: int, id: str) -> None:
        one, _ = self.one(actor, other)
        ledger, index = self.house.ledger, self.house.index
        for refused in (
            ledger.facts.get(one.id, id),
            ledger.facts.forget(one.id, id),
            ledger.facts.supersede(one.id, id, id),
            ledger.messages.get(one.id, id),
            ledger.conversations.get(one.id, id),
            ledger.conversations.delete(one.id, id),
            ledger.messages.append(one.id, id, "user", "hello"),
            self.house.forgetting.forget(one.id, Target("fact", (id,)), self.house.worker),
        ):
            self.refused(refused)
        self.refused(ledger.facts.get(one.id, f"{id}\0"), UnstorableError)
        self.house.do(index.forget(one.id, [id]))
        self.look("hostile id")

    @rule(actor=actors, id=hostile)
    def be_a_hostile_person(self, actor: int, id: str) -> None:
        ledger, index, talk = self.house.ledger, self.house.index, self.talk_of(self.people[actor])
        assert self.house.do(ledger.facts.list(id, None)) == ([], None)
        assert self.house.do(ledger.facts.many(id, list(self.people[actor].seen["facts"]), status=None)) == []
        assert self.house.do(ledger.conversations.list(id)) == ([], None)
        self.refused(ledger.messages.list(id, talk))
        self.refused(ledger.facts.add(id, new_fact("I like tea")))
        for refused in (index.search(id, "dog", 5), index.ids(id), index.forget(id, []), index.forget_person(id)):
            self.refused(refused, ValueError)
        recalled = self.house.do(self.house.recall.recall(id, "What do I like?"))
        assert recalled.facts == ()
        self.look("hostile person")

    @rule(actor=actors, other=actors, query=hostile)
    def filter_by_hostile_words(self, actor: int, other: int, query: str) -> None:
        one, two = self.one(actor, other)
        for words in (query, two.word, f"{two.word}{query}"):
            facts = self.house.do(self.house.ledger.facts.list(one.id, None, query=words, limit=500))[0]
            assert {fact.id for fact in facts} == {
                id for id, fact in one.seen["facts"].items() if words.lower() in fact.text.lower()
            }
            talks = self.house.do(self.house.ledger.conversations.list(one.id, query=words, limit=500))[0]
            assert {talk.id for talk in talks} <= set(one.seen["talks"])
            near = self.house.do(self.house.index.search(one.id, words or "x", 50))
            assert {fact_id for fact_id, _ in near} == one.seen["index"]
        self.look("hostile words")

    @rule(actor=actors, other=actors, cursor=hostile)
    def go_on_from_a_foreign_page(self, actor: int, other: int, cursor: str) -> None:
        one, two = self.one(actor, other)
        ledger = self.house.ledger
        foreign = [self.house.do(pages)[1] for pages in (ledger.facts.list(two.id, None, limit=1),)]
        for at in (cursor, *(page for page in foreign if page is not None)):
            for page in (ledger.facts.list(one.id, None, at), ledger.conversations.list(one.id, at)):
                try:
                    self.is_own(one, self.house.do(page))
                except InvalidCursorError:
                    continue
        self.look("foreign page")

    @rule(actor=actors, pick=picks)
    def supersede(self, actor: int, pick: int) -> None:
        person, ledger = self.people[actor], self.house.ledger
        old, new = self.fact_of(person, pick, "active"), self.fact_of(person, pick + 1, "active")
        if old is None or new is None:
            return
        if old.id == new.id:
            self.refused(ledger.facts.supersede(person.id, old.id, new.id), ConflictError)
            return
        self.house.do(ledger.facts.supersede(person.id, old.id, new.id))
        self.house.do(self.house.index.forget(person.id, [old.id]))
        self.look("supersede", person)
        assert person.seen["facts"][old.id].superseded_by == new.id


@pytest.fixture
def house(tmp_path: Path, empty_home: Path) -> Iterator[House]:
    home = tmp_path / "home"
    shutil.copytree(empty_home, home)
    with asyncio.Runner() as run:
        opening = open_house(home, run)
        try:
            yield run.run(opening.__aenter__())
        finally:
            run.run(opening.__aexit__(None, None, None))


@pytest.mark.timeout(120 + 3 * STEPS)
def test_nobody_reads_or_changes_what_is_somebody_elses(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    class Here(Isolation):
        pass

    Here.house = house
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=max(1, STEPS // STEPS_AT_ONCE),
            stateful_step_count=STEPS_AT_ONCE,
            deadline=None,
            database=None,
            derandomize=WANTED is None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
    with capsys.disabled():
        sys.stdout.write(f"{len(house.steps)} steps of {len(set(house.steps))} kinds\n" if WANTED else "")
    assert len(house.steps) >= STEPS // 2
    assert len(set(house.steps)) >= 10
