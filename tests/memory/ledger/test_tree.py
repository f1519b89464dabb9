import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.errors import NotFoundError
from memory.ledger.ledger import Ledger
from memory.types import Conversation, Message, Person
from tests.fakes.say import Say

# The ledger is shared by the examples; each makes a person of its own.
shared = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@shared
@given(choices=st.lists(st.one_of(st.none(), st.integers(0, 30)), min_size=1, max_size=16), limit=st.integers(1, 20))
async def test_paths_children_and_leaf_are_those_of_the_tree_that_was_built(
    ledger: Ledger, choices: list[int | None], limit: int
) -> None:
    person = await ledger.users.create()
    conversation = await ledger.conversations.create(person.id)
    built: list[Message] = []
    for number, choice in enumerate(choices):
        parent = None if choice is None or not built else built[choice % len(built)].id
        role = random.Random(number).choice(("user", "assistant"))
        added = await ledger.messages.append(person.id, conversation.id, role, str(number), parent)  # type: ignore[arg-type]
        expected = parent if parent is not None or not built else built[-1].id
        assert added.message.parent_id == expected
        built.append(added.message)

    by_id = {message.id: message for message in built}

    def ancestors(message: Message) -> list[Message]:
        above = [] if message.parent_id is None else ancestors(by_id[message.parent_id])
        return [*above, message]

    for message in built:
        assert await ledger.messages.path(person.id, message.id, 100) == ancestors(message)
        assert await ledger.messages.path(person.id, message.id, limit) == ancestors(message)[-limit:]
        below = [child for child in built if child.parent_id == message.id]
        assert await ledger.messages.children(person.id, message.id) == below
    assert await ledger.messages.recent(person.id, conversation.id, limit) == ancestors(built[-1])[-limit:]
    seen: list[Message] = []
    cursor = None
    while True:
        page, cursor = await ledger.messages.list(person.id, conversation.id, cursor, limit)
        assert len(page) <= limit
        seen += page
        if cursor is None:
            break
    assert seen == ancestors(built[-1])
    for leaf in (None, built[0].id):
        back: list[Message] = []
        cursor = None
        while True:
            page, cursor = await ledger.messages.before(person.id, conversation.id, cursor, limit, leaf)
            assert len(page) == limit or cursor is None
            back = [*page, *back]
            if cursor is None:
                break
        assert (back, None) == await ledger.messages.list(person.id, conversation.id, None, 100, leaf)


async def test_a_branch_is_followed_from_any_of_its_messages_to_its_end(
    ledger: Ledger, person: Person, conversation: Conversation, say: Say
) -> None:
    async def reply(text: str, to: Message) -> Message:
        return (await ledger.messages.append(person.id, conversation.id, "assistant", text, to.id)).message

    question = await say("question")
    first, second = await reply("first", question), await reply("second", question)
    more = await say("more", parent_id=first.id)
    edited = await say("edited", as_root=True)

    async def texts(leaf: str | None, after: str | None = None, limit: int = 100) -> list[str]:
        page, _ = await ledger.messages.list(person.id, conversation.id, after, limit, leaf)
        return [message.text for message in page]

    assert await texts(None) == ["edited"]
    assert await texts(first.id) == await texts(more.id) == await texts(question.id) == ["question", "first", "more"]
    assert await texts(second.id) == ["question", "second"]
    _, cursor = await ledger.messages.list(person.id, conversation.id, None, 2, first.id)
    assert await texts(first.id, cursor) == ["more"]
    variants = await ledger.messages.variants(person.id, [question, first, second, more, edited])
    assert variants[question.id] == variants[edited.id] == (question.id, edited.id)
    assert variants[first.id] == variants[second.id] == (first.id, second.id)
    assert variants[more.id] == (more.id,)
    other = await ledger.conversations.create(person.id)
    with pytest.raises(NotFoundError):
        await ledger.messages.list(person.id, other.id, leaf=first.id)
