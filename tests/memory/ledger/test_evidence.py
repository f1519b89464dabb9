import pytest

from memory.errors import NotFoundError
from memory.ledger.evidence import CHUNK, add_evidence, chunks, evidence_of, require_messages
from memory.ledger.ledger import Ledger
from memory.types import Evidence, Kind, NewFact, Person
from tests.fakes.say import Say


def test_chunks_hold_every_distinct_value_once() -> None:
    values = [str(number) for number in range(CHUNK * 2 + 1)]
    parts = chunks([*values, *values])
    assert [len(part) for part in parts] == [CHUNK, CHUNK, 1]
    assert [value for part in parts for value in part] == values
    assert chunks([]) == []


async def test_a_quote_of_any_length_is_kept_once_for_each_message(ledger: Ledger, person: Person, say: Say) -> None:
    first, second = await say("1"), await say("2")
    fact = await ledger.facts.add(person.id, NewFact("Tea", Kind.OTHER, 0.5, "stated", (), first.created_at))
    quotes = [Evidence(first.id, "q" * 32_000), Evidence(first.id, "q"), Evidence(second.id, "q")]
    async with ledger.database.writing() as connection:
        assert await add_evidence(connection, person.id, fact.id, [*quotes, *quotes]) == 3
        assert await add_evidence(connection, person.id, fact.id, quotes) == 0
        assert await evidence_of(connection, person.id, [fact.id, "fact_unknown"]) == {fact.id: tuple(quotes)}


async def test_a_message_of_somebody_else_is_named_as_not_found(
    ledger: Ledger, person: Person, stranger: Person, say: Say
) -> None:
    said = await say("1")
    async with ledger.database.reading() as connection:
        await require_messages(connection, person.id, [said.id, said.id])
        with pytest.raises(NotFoundError, match=said.id):
            await require_messages(connection, stranger.id, [said.id])
