import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from memory.errors import ConflictError, NotFoundError
from memory.ids import is_id, new_id
from memory.ledger.ledger import Ledger
from memory.ledger.messages import title_of
from memory.ledger.page import InvalidCursorError
from memory.types import Conversation, Message, Person
from tests.fakes.say import Say

AT = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_message_reads_back_as_it_was_appended(
    ledger: Ledger, person: Person, conversation: Conversation, say: Say
) -> None:
    question = await say("Why?", client_message_id="c1", created_at=AT, crisis_level="none")
    assert is_id(question.id, "msg") and question.parent_id is None
    assert await ledger.messages.get(person.id, question.id) == question
    explanation = {"policy_version": "builtin:1", "fact_ids": []}
    reply = await ledger.messages.append(
        person.id, conversation.id, "assistant", "Because.", question.id, "partial", explanation=explanation
    )
    assert reply.created
    assert await ledger.messages.get(person.id, reply.message.id) == reply.message
    assert (reply.message.parent_id, reply.message.explanation) == (question.id, explanation)


async def test_a_message_hangs_below_the_newest_leaf_unless_told(say: Say) -> None:
    first = await say("1")
    second = await say("2")
    variant = await say("2'", parent_id=first.id)
    third = await say("3")
    root = await say("1'", as_root=True)
    assert [m.parent_id for m in (first, second, variant, third, root)] == [None, first.id, first.id, variant.id, None]


async def test_a_root_with_a_parent_is_refused(say: Say) -> None:
    first = await say("1")
    with pytest.raises(ConflictError):
        await say("2", parent_id=first.id, as_root=True)


async def test_the_conversation_as_it_stands_is_the_path_to_what_was_said_last(
    ledger: Ledger, person: Person, conversation: Conversation, say: Say
) -> None:
    for text in "abcdef":
        await say(text)
    whole = await ledger.messages.recent(person.id, conversation.id)
    await say("C", parent_id=whole[1].id)
    assert [m.text for m in await ledger.messages.recent(person.id, conversation.id)] == ["a", "b", "C"]
    assert [m.text for m in await ledger.messages.recent(person.id, conversation.id, 2)] == ["b", "C"]
    assert await ledger.messages.path(person.id, whole[-1].id) == whole
    assert await ledger.messages.path(person.id, whole[-1].id, 3) == whole[-3:]
    assert [m.text for m in await ledger.messages.children(person.id, whole[1].id)] == ["c", "C"]


async def test_a_long_conversation_is_listed_page_by_page_without_gap(
    ledger: Ledger, person: Person, conversation: Conversation, say: Say
) -> None:
    said = [await say(str(number)) for number in range(25)]
    seen: list[Message] = []
    cursor = None
    while True:
        page, cursor = await ledger.messages.list(person.id, conversation.id, cursor, limit=10)
        seen += page
        if cursor is None:
            break
    assert seen == said


async def test_a_cursor_that_is_none_or_of_elsewhere_is_refused(
    ledger: Ledger, person: Person, conversation: Conversation, say: Say
) -> None:
    other = await ledger.conversations.create(person.id)
    for text in "abc":
        await say(text)
        await ledger.messages.append(person.id, other.id, "user", text)
    _, elsewhere = await ledger.messages.list(person.id, other.id, limit=1)
    for cursor in ("x", elsewhere):
        with pytest.raises(InvalidCursorError):
            await ledger.messages.list(person.id, conversation.id, cursor)
        with pytest.raises(InvalidCursorError):
            await ledger.messages.before(person.id, conversation.id, cursor)


async def test_an_empty_conversation_has_no_messages(
    ledger: Ledger, person: Person, conversation: Conversation
) -> None:
    assert await ledger.messages.list(person.id, conversation.id) == ([], None)
    assert await ledger.messages.before(person.id, conversation.id) == ([], None)
    assert await ledger.messages.recent(person.id, conversation.id) == []


async def test_the_first_words_of_the_person_become_the_title(
    ledger: Ledger, person: Person, conversation: Conversation, say: Say
) -> None:
    await ledger.messages.append(person.id, conversation.id, "assistant", "Hello, I am an AI.")
    await say("  My sister\n is moving ")
    await say("Tomorrow")
    assert (await ledger.conversations.get(person.id, conversation.id)).title == "My sister is moving"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("", ""),
        (" \n ", ""),
        ("short", "short"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        ("word " * 20, "word " * 10 + "word…"),
    ],
)
def test_a_title_is_one_line_that_ends_at_a_word(text: str, title: str) -> None:
    assert title_of(text) == title
    assert len(title_of(text)) <= 60


async def test_jobs_are_enqueued_with_the_message_that_causes_them(
    ledger: Ledger, person: Person, conversation: Conversation, say: Say
) -> None:
    id = new_id("msg")
    said = await say("hi", id=id, jobs=[("reflect", {"message_ids": [id]}), ("other", {})])
    assert said.id == id
    assert [(job.kind, job.payload) for job in await ledger.jobs.list()] == [
        ("reflect", {"message_ids": [id]}),
        ("other", {}),
    ]
    with pytest.raises(ConflictError, match="taken"):
        await say("again", id=id, jobs=[("reflect", {})])
    assert len(await ledger.jobs.list()) == 2


async def test_finishing_puts_the_final_words_and_jobs_in_place(
    ledger: Ledger, person: Person, conversation: Conversation
) -> None:
    append = ledger.messages.append
    started = await append(person.id, conversation.id, "assistant", "", status="partial", explanation={"a": 1})
    finished = await ledger.messages.finish(person.id, started.message.id, "Done.", jobs=[("reflect", {})])
    assert (finished.text, finished.status, finished.explanation) == ("Done.", "complete", {"a": 1})
    assert await ledger.messages.get(person.id, finished.id) == finished
    assert (await ledger.jobs.counts())["pending"] == 1
    retracted = await ledger.messages.finish(person.id, finished.id, "Sorry.", "retracted", {"b": 2})
    assert (retracted.status, retracted.explanation) == ("retracted", {"b": 2})


async def test_the_crisis_level_is_noted_and_a_made_up_one_refused(ledger: Ledger, person: Person, say: Say) -> None:
    said = await say("hi")
    assert (await ledger.messages.set_crisis_level(person.id, said.id, "high")).crisis_level == "high"
    with pytest.raises(Exception, match="crisis_level"):
        await ledger.messages.set_crisis_level(person.id, said.id, "terrible")  # type: ignore[arg-type]


async def test_the_newest_reply_answers_and_what_has_none_is_unanswered(
    ledger: Ledger, person: Person, stranger: Person, conversation: Conversation, say: Say
) -> None:
    first = await say("1")
    assert await ledger.messages.reply_to(person.id, first.id) is None
    assert await ledger.messages.unanswered() == [first]
    append = ledger.messages.append
    for text in ("one", "better"):
        await append(person.id, conversation.id, "assistant", text, first.id)
    await append(person.id, conversation.id, "user", "never mind", first.id)
    reply = await ledger.messages.reply_to(person.id, first.id)
    assert reply is not None and reply.text == "better"
    theirs = await ledger.conversations.create(stranger.id)
    waiting = (await append(stranger.id, theirs.id, "user", "me too")).message
    assert [m.text for m in await ledger.messages.unanswered()] == ["never mind", "me too"]
    assert await ledger.messages.unanswered(stranger.id) == [waiting]


async def test_a_parent_in_another_conversation_is_not_found(ledger: Ledger, person: Person, say: Say) -> None:
    elsewhere = await ledger.conversations.create(person.id)
    there = (await ledger.messages.append(person.id, elsewhere.id, "user", "there")).message
    for parent in (there.id, "msg_unknown", "*"):
        with pytest.raises(NotFoundError):
            await say("here", parent_id=parent)


async def test_a_clock_that_goes_back_does_not_disturb_the_order(
    ledger: Ledger, person: Person, conversation: Conversation, say: Say
) -> None:
    for number in range(5):
        await say(str(number), created_at=AT - timedelta(days=number))
    assert [m.text for m in await ledger.messages.recent(person.id, conversation.id)] == list("01234")


async def test_messages_appended_at_once_form_one_path(
    ledger: Ledger, person: Person, conversation: Conversation, say: Say
) -> None:
    said = await asyncio.gather(*(say(str(number)) for number in range(32)))
    path = await ledger.messages.recent(person.id, conversation.id)
    assert {m.id for m in path} == {m.id for m in said}
    assert len(path) == 32
