from datetime import UTC, datetime, timedelta

import pytest

from memory.errors import ConflictError, NotFoundError
from memory.ids import new_id
from memory.ledger.ledger import Ledger
from memory.ledger.page import InvalidCursorError
from memory.types import Conversation, Evidence, FactOrigin, Kind, NewFact, NewTraitEvidence, Person, Trait

AT = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_conversation_reads_back_as_it_was_created(ledger: Ledger, person: Person) -> None:
    id = new_id("conv")
    made = await ledger.conversations.create(person.id, "Trip", True, "import:chatgpt", True, id, AT)
    assert made == Conversation(id, person.id, "Trip", AT, AT, False, True, "import:chatgpt", True)
    assert await ledger.conversations.get(person.id, id) == made


async def test_an_id_is_given_to_one_conversation_only(ledger: Ledger, person: Person, stranger: Person) -> None:
    made = await ledger.conversations.create(person.id)
    with pytest.raises(ConflictError):
        await ledger.conversations.create(stranger.id, id=made.id)
    with pytest.raises(NotFoundError):
        await ledger.conversations.create("per_unknown")


async def test_the_list_has_the_newest_updated_first_and_no_gap(ledger: Ledger, person: Person) -> None:
    made = [await ledger.conversations.create(person.id, str(n), created_at=AT) for n in range(7)]
    later = await ledger.messages.append(person.id, made[2].id, "user", "hi", created_at=AT + timedelta(days=1))
    seen: list[Conversation] = []
    cursor = None
    while True:
        page, cursor = await ledger.conversations.list(person.id, cursor, limit=2)
        seen += page
        if cursor is None:
            break
    assert seen[0].updated_at == later.message.created_at
    assert [one.title for one in seen] == ["2", "6", "5", "4", "3", "1", "0"]


async def test_an_imported_old_message_does_not_move_a_conversation_back(ledger: Ledger, person: Person) -> None:
    made = await ledger.conversations.create(person.id)
    await ledger.messages.append(person.id, made.id, "user", "hi", created_at=AT)
    assert (await ledger.conversations.get(person.id, made.id)).updated_at == made.updated_at


async def test_archived_conversations_are_listed_apart(ledger: Ledger, person: Person) -> None:
    kept, put_away = [await ledger.conversations.create(person.id) for _ in range(2)]
    put_away = await ledger.conversations.update(person.id, put_away.id, archived=True)
    assert (await ledger.conversations.list(person.id))[0] == [kept]
    assert (await ledger.conversations.list(person.id, archived=True))[0] == [put_away]
    assert len((await ledger.conversations.list(person.id, archived=None))[0]) == 2


async def test_an_update_changes_what_is_named_only(ledger: Ledger, person: Person) -> None:
    made = await ledger.conversations.create(person.id, "old", incognito=True)
    renamed = await ledger.conversations.update(person.id, made.id, title="new")
    assert (renamed.title, renamed.incognito, renamed.updated_at) == ("new", True, made.updated_at)
    assert (await ledger.conversations.update(person.id, made.id, title="", incognito=False)).title == ""


@pytest.mark.parametrize(
    ("query", "found"),
    [("ÄRGER", True), ("ärger", True), ("100%", True), ("100_", False), ("stress. B", True), ("missing", False)],
)
async def test_searching_finds_words_of_titles_and_messages_in_any_case(
    ledger: Ledger, person: Person, stranger: Person, query: str, found: bool
) -> None:
    for owner in (person, stranger):
        made = await ledger.conversations.create(owner.id, "Ärger im Büro")
        await ledger.messages.append(owner.id, made.id, "user", "100% stress. But fine.")
    hits = (await ledger.conversations.list(person.id, query=query))[0]
    assert [hit.person_id for hit in hits] == ([person.id] if found else [])


async def test_a_cursor_that_is_none_is_refused(ledger: Ledger, person: Person) -> None:
    for cursor in ("x", "WyJhIiwiYiJd", "WyIyMDI2LTAxLTAxIiwiYiJd", "é"):
        with pytest.raises(InvalidCursorError):
            await ledger.conversations.list(person.id, cursor)


async def test_a_thread_leads_back_to_its_conversation_and_to_nobody_elses(
    ledger: Ledger, person: Person, stranger: Person
) -> None:
    made = await ledger.conversations.create(person.id)
    await ledger.conversations.set_thread(person.id, made.id, "hash")
    assert await ledger.conversations.find_thread(person.id, "hash") == made
    assert await ledger.conversations.find_thread(person.id, "other") is None
    assert await ledger.conversations.find_thread(stranger.id, "hash") is None
    with pytest.raises(NotFoundError):
        await ledger.conversations.set_thread(stranger.id, made.id, "theirs")


async def test_deleting_takes_what_rested_on_it_alone_and_says_what(ledger: Ledger, person: Person) -> None:
    gone, kept = [await ledger.conversations.create(person.id) for _ in range(2)]
    in_gone = (await ledger.messages.append(person.id, gone.id, "user", "tea, cats, chess")).message
    in_kept = (await ledger.messages.append(person.id, kept.id, "user", "tea")).message

    async def learn(text: str, *message_ids: str, origin: FactOrigin = "stated") -> str:
        evidence = tuple(Evidence(id, "tea") for id in message_ids)
        return (await ledger.facts.add(person.id, NewFact(text, Kind.OTHER, 0.5, origin, evidence, AT))).id

    cats = await learn("Has cats", in_gone.id)
    tea = await learn("Likes tea", in_gone.id, in_kept.id)
    chess = await learn("Plays chess", in_gone.id, origin="edited")
    await ledger.traits.add(
        person.id, gone.id, NewTraitEvidence(Trait.OPENNESS, 1, 0.5, Evidence(in_gone.id, "chess"), AT)
    )
    for conversation in (gone, kept):
        await ledger.jobs.enqueue(person.id, "reflect", {"conversation_id": conversation.id})

    deleted = await ledger.conversations.delete(person.id, gone.id)

    assert (deleted.messages, deleted.fact_ids, deleted.trait_evidence, deleted.jobs) == (1, (cats,), 1, 1)
    assert {fact.id for fact in (await ledger.facts.list(person.id))[0]} == {tea, chess}
    assert (await ledger.facts.get(person.id, tea)).evidence == (Evidence(in_kept.id, "tea"),)
    assert [job.payload["conversation_id"] for job in await ledger.jobs.list()] == [kept.id]
    with pytest.raises(NotFoundError):
        await ledger.conversations.get(person.id, gone.id)
    with pytest.raises(NotFoundError):
        await ledger.conversations.delete(person.id, gone.id)


async def test_incognito_conversations_are_listed_only_where_asked_for(ledger: Ledger, person: Person) -> None:
    plain = await ledger.conversations.create(person.id)
    old = await ledger.conversations.create(person.id, incognito=True, created_at=AT)
    new = await ledger.conversations.create(person.id, incognito=True, created_at=AT + timedelta(days=2))
    assert (await ledger.conversations.list(person.id))[0] == [plain]
    assert (await ledger.conversations.list(person.id, incognito=True))[0] == [new, old]
    assert await ledger.conversations.all_incognito() == [old, new]
    assert await ledger.conversations.all_incognito(AT + timedelta(days=1)) == [old]
