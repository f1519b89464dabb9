"""Two people with the same things; whatever one asks for with an id of the other, nothing is read or written."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from memory.errors import NotFoundError
from memory.ledger import tables
from memory.ledger.going import Target
from memory.ledger.ledger import Ledger
from memory.types import Evidence, Kind, NewFact, NewTraitEvidence, Trait

AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Things:
    """The ids of what one person has."""

    person: str
    conversation: str
    question: str
    reply: str
    fact: str
    newer_fact: str


def fact(text: str, message_id: str) -> NewFact:
    return NewFact(text, Kind.OTHER, 0.5, "stated", (Evidence(message_id, "hi"),), AT)


def trait(message_id: str) -> NewTraitEvidence:
    return NewTraitEvidence(Trait.OPENNESS, 1, 0.5, Evidence(message_id, "hi"), AT)


async def things_of(ledger: Ledger) -> Things:
    person = (await ledger.users.create()).id
    conversation = (await ledger.conversations.create(person)).id
    question = (await ledger.messages.append(person, conversation, "user", "hi", client_message_id="c1")).message.id
    reply = (await ledger.messages.append(person, conversation, "assistant", "ho")).message.id
    facts = [(await ledger.facts.add(person, fact(text, question))).id for text in ("one", "two")]
    await ledger.traits.add(person, conversation, trait(question))
    await ledger.feedback.put(person, reply, "up")
    await ledger.jobs.enqueue(person, "reflect", {"conversation_id": conversation})
    await ledger.conversations.set_thread(person, conversation, "thread")
    return Things(person, conversation, question, reply, *facts)


Attempt = Callable[[Ledger, str, Things], Awaitable[object]]


async def say(ledger: Ledger, me: str, it: Things) -> object:
    return await ledger.messages.append(me, it.conversation, "user", "x", jobs=[("reflect", {})])


async def say_again(ledger: Ledger, me: str, it: Things) -> object:
    return await ledger.messages.append(me, it.conversation, "user", "hi", client_message_id="c1")


async def variants_of_theirs(ledger: Ledger, me: str, it: Things) -> object:
    return await ledger.messages.variants(me, [await ledger.messages.get(it.person, it.question)])


REFUSED: dict[str, Attempt] = {
    "conversations.get": lambda book, me, it: book.conversations.get(me, it.conversation),
    "conversations.update": lambda book, me, it: book.conversations.update(me, it.conversation, title="mine now"),
    "conversations.set_thread": lambda book, me, it: book.conversations.set_thread(me, it.conversation, "mine"),
    "conversations.delete": lambda book, me, it: book.conversations.delete(me, it.conversation),
    "messages.append": lambda book, me, it: book.messages.append(
        me, it.conversation, "user", "x", jobs=[("reflect", {})]
    ),
    "messages.append as": lambda book, me, it: book.messages.append(
        me, it.conversation, "user", "hi", client_message_id="c1"
    ),
    "messages.finish": lambda book, me, it: book.messages.finish(me, it.reply, "x", jobs=[("reflect", {})]),
    "messages.set_crisis_level": lambda book, me, it: book.messages.set_crisis_level(me, it.question, "high"),
    "messages.get": lambda book, me, it: book.messages.get(me, it.question),
    "messages.list": lambda book, me, it: book.messages.list(me, it.conversation),
    "messages.list leaf": lambda book, me, it: book.messages.list(me, it.conversation, leaf=it.question),
    "messages.before": lambda book, me, it: book.messages.before(me, it.conversation),
    "messages.before leaf": lambda book, me, it: book.messages.before(me, it.conversation, leaf=it.question),
    "messages.recent": lambda book, me, it: book.messages.recent(me, it.conversation),
    "messages.path": lambda book, me, it: book.messages.path(me, it.reply),
    "messages.children": lambda book, me, it: book.messages.children(me, it.question),
    "messages.reply_to": lambda book, me, it: book.messages.reply_to(me, it.question),
    "messages.find_client_message": lambda book, me, it: book.messages.find_client_message(me, it.conversation, "c1"),
    "messages.find_recent_same": lambda book, me, it: book.messages.find_recent_same(me, it.conversation, "hi", AT),
    "facts.add": lambda book, me, it: book.facts.add(me, fact("one", it.question)),
    "facts.get": lambda book, me, it: book.facts.get(me, it.fact),
    "facts.forget": lambda book, me, it: book.facts.forget(me, it.fact),
    "facts.supersede": lambda book, me, it: book.facts.supersede(me, it.fact, it.newer_fact),
    "facts.revise": lambda book, me, it: book.facts.revise(
        me, it.fact, NewFact("x", Kind.OTHER, 0.5, "edited", (), AT)
    ),
    "traits.add": lambda book, me, it: book.traits.add(me, it.conversation, trait(it.question)),
    "feedback.put": lambda book, me, it: book.feedback.put(me, it.reply, "down"),
    "erasures.plan fact": lambda book, me, it: book.erasures.plan(me, Target("fact", (it.fact,))),
    "erasures.plan message": lambda book, me, it: book.erasures.plan(me, Target("message", (it.question,))),
    "erasures.plan conversation": lambda book, me, it: book.erasures.plan(
        me, Target("conversation", (it.conversation,))
    ),
}

EMPTY: dict[str, Attempt] = {
    "facts.many": lambda book, me, it: book.facts.many(me, [it.fact, it.newer_fact], None),
    "traits.delete_for_message": lambda book, me, it: book.traits.delete_for_message(me, it.question),
    "feedback.get": lambda book, me, it: book.feedback.get(me, it.reply),
    "feedback.many": lambda book, me, it: book.feedback.many(me, [it.reply]),
    "messages.variants": lambda book, me, it: variants_of_theirs(book, me, it),
    "feedback.delete": lambda book, me, it: book.feedback.delete(me, it.reply),
    "facts.recalled": lambda book, me, it: book.facts.recalled(me, [it.fact], AT),
}


async def rows_of(ledger: Ledger, person_id: str) -> Mapping[str, list[Any]]:
    found = {}
    async with ledger.database.reading() as connection:
        for table in tables.metadata.sorted_tables:
            if "person_id" in table.c:
                query = select(table).where(table.c.person_id == person_id).order_by(*table.primary_key)
                found[table.name] = list((await connection.execute(query)).all())
    return found


@pytest.mark.parametrize("name", REFUSED)
async def test_an_id_of_somebody_else_is_not_found_just_as_an_unknown_one(ledger: Ledger, name: str) -> None:
    mine, theirs = await things_of(ledger), await things_of(ledger)
    before = await rows_of(ledger, mine.person), await rows_of(ledger, theirs.person)
    made_up = Things(theirs.person, *(id[:-26] + "0" * 26 for id in list(vars(theirs).values())[1:]))
    messages = []
    for it in (theirs, made_up):
        with pytest.raises(NotFoundError) as caught:
            await REFUSED[name](ledger, mine.person, it)
        messages.append((caught.value.noun, type(caught.value)))
        assert caught.value.id in vars(it).values()
    assert messages[0] == messages[1]
    assert (await rows_of(ledger, mine.person), await rows_of(ledger, theirs.person)) == before


@pytest.mark.parametrize("name", EMPTY)
async def test_what_is_somebody_elses_is_nothing_to_me(ledger: Ledger, name: str) -> None:
    mine, theirs = await things_of(ledger), await things_of(ledger)
    before = await rows_of(ledger, mine.person), await rows_of(ledger, theirs.person)
    assert not await EMPTY[name](ledger, mine.person, theirs)
    assert (await rows_of(ledger, mine.person), await rows_of(ledger, theirs.person)) == before


@pytest.mark.parametrize("wildcard", ["*", "%", "_", "", "' OR 1=1 --", "null"])
async def test_no_person_id_is_a_master_key(ledger: Ledger, wildcard: str) -> None:
    theirs = await things_of(ledger)
    for name, attempt in REFUSED.items():
        with pytest.raises(NotFoundError):
            await attempt(ledger, wildcard, theirs)
        assert name
    assert (await ledger.facts.list(wildcard))[0] == []
    assert (await ledger.conversations.list(wildcard))[0] == []
    assert await ledger.traits.list(wildcard) == []
    assert await ledger.traits.delete_all(wildcard) == 0
    assert [f async for f in ledger.facts.all_active(wildcard)] == []
    assert await ledger.facts.surest(wildcard, list(Kind), 9) == []
    assert len((await ledger.facts.list(theirs.person))[0]) == 2


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    script=st.lists(st.tuples(st.sampled_from(sorted(REFUSED | EMPTY)), st.booleans()), max_size=12),
    mixed=st.lists(st.booleans(), min_size=5, max_size=5),
)
async def test_whatever_ids_are_swapped_the_other_persons_rows_stay_as_they_are(
    ledger: Ledger, script: list[tuple[str, bool]], mixed: list[bool]
) -> None:
    """Some of the ids are mine and some theirs; some attempts succeed on mine; theirs never change."""
    mine, theirs = await things_of(ledger), await things_of(ledger)
    names = ("conversation", "question", "reply", "fact", "newer_fact")
    blend = Things(
        mine.person, *(getattr(theirs if their else mine, name) for name, their in zip(names, mixed, strict=True))
    )
    before = await rows_of(ledger, theirs.person)
    for name, blended in script:
        attempt = (REFUSED | EMPTY)[name]
        try:
            await attempt(ledger, mine.person, blend if blended else theirs)
        except NotFoundError:
            continue
    assert await rows_of(ledger, theirs.person) == before


async def test_every_method_that_takes_a_person_and_an_id_is_tried_here(ledger: Ledger) -> None:
    import inspect

    tried = {name.split(" ")[0] for name in REFUSED | EMPTY}
    listing = {"conversations.create", "conversations.list", "conversations.find_thread", "messages.unanswered"}
    listing |= {"facts.list", "facts.count", "facts.all_active", "traits.list", "traits.count", "traits.delete_all"}
    listing |= {"facts.surest", "traits.tell", "traits.since"}
    listing |= {"feedback.list", "jobs.enqueue", "jobs.list"}
    for noun in ("conversations", "messages", "facts", "traits", "feedback", "jobs"):
        for name, method in inspect.getmembers(getattr(ledger, noun), inspect.isroutine):
            if not name.startswith("_") and "person_id" in inspect.signature(method).parameters:
                assert f"{noun}.{name}" in tried | listing
