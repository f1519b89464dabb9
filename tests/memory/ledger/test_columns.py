from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.errors import LedgerError
from memory.ledger.columns import UnstorableError, storable
from memory.ledger.ledger import Ledger
from memory.types import Conversation, Person

WEIRD = ["a\0b", "\ud800", "half \udfff pair", "\ud83d"]


@pytest.mark.parametrize("text", WEIRD)
def test_text_that_no_database_holds_is_refused_with_the_place(text: str) -> None:
    with pytest.raises(UnstorableError, match="at position"):
        storable(text)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_all_other_text_can_be_stored(text: str) -> None:
    assert storable(text) == text


@pytest.mark.parametrize("text", WEIRD)
async def test_a_weird_message_is_refused_and_nothing_of_it_is_stored(
    ledger: Ledger, person: Person, conversation: Conversation, text: str
) -> None:
    append = ledger.messages.append
    with pytest.raises(LedgerError):
        await append(person.id, conversation.id, "user", text, jobs=[("reflect", {})])
    with pytest.raises(LedgerError):
        await append(person.id, conversation.id, "user", "fine", jobs=[("reflect", {"deep": [{"in": text}]})])
    with pytest.raises(LedgerError):
        await append(person.id, conversation.id, "user", "fine", jobs=[("reflect", {text: 1})])
    with pytest.raises(LedgerError):
        await append(person.id, conversation.id, "user", "fine", explanation={"plan": text})
    assert await ledger.messages.recent(person.id, conversation.id) == []
    assert (await ledger.conversations.get(person.id, conversation.id)).title == ""
    assert await ledger.jobs.list() == []


@pytest.mark.parametrize("text", WEIRD)
async def test_a_weird_id_is_refused_with_a_ledger_error(ledger: Ledger, text: str) -> None:
    with pytest.raises(LedgerError):
        await ledger.users.get(text)


async def test_every_storable_text_reads_back_as_it_was(
    ledger: Ledger, person: Person, conversation: Conversation
) -> None:
    text = "é e\u0301 \u202e rtl \U0001f469\u200d\U0001f4bb \r\n\t \x1b[31m ' \" % _ \\ {{x}} \ufeff \uffff"
    explanation: dict[str, Any] = {"plan": text, text: [1, 2.5, None, True]}
    stored = await ledger.messages.append(person.id, conversation.id, "assistant", text, explanation=explanation)
    read = await ledger.messages.get(person.id, stored.message.id)
    assert read.text == text and read.explanation == explanation


async def test_a_time_without_a_zone_is_refused(ledger: Ledger, person: Person) -> None:
    with pytest.raises(LedgerError, match="time zone"):
        await ledger.conversations.create(person.id, created_at=datetime(2026, 1, 1))  # noqa: DTZ001


async def test_a_time_of_any_zone_reads_back_as_the_same_moment_in_utc(ledger: Ledger, person: Person) -> None:
    at = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=timezone(timedelta(hours=-7, minutes=-30)))
    created = await ledger.conversations.create(person.id, created_at=at)
    read = await ledger.conversations.get(person.id, created.id)
    assert read.created_at == at and read.created_at.tzinfo is UTC
