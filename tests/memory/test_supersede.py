import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from memory.config import MemoryConfig, ReflectionConfig
from memory.errors import IndexUnavailableError
from memory.index import Index
from memory.ledger.ledger import Ledger
from memory.queue import ReflectionWorker
from memory.types import Fact
from tests.fakes.embedding import shared_embedder
from tests.fakes.fact_index import RememberingIndex
from tests.fakes.turns import Asked, ScriptedComplete

CONFIG = ReflectionConfig(retry_base_s=0.01)


@pytest.fixture
async def index(memory_config: MemoryConfig) -> AsyncIterator[Index]:
    async with Index.open(memory_config, shared_embedder()) as opened:
        yield opened


async def say(ledger: Ledger, person_id: str, text: str) -> None:
    conversation = await ledger.conversations.create(person_id)
    message = (await ledger.messages.append(person_id, conversation.id, "user", text)).message
    payload = {"conversation_id": conversation.id, "message_ids": [message.id]}
    await ledger.jobs.enqueue(person_id, "reflect", payload)


async def tell(ledger: Ledger, index: Any, *said: str, complete: Any = None, person_id: str | None = None) -> str:
    """Have a person say one thing after the other, each reflected on before the next; returns the person's id."""
    person_id = person_id or (await ledger.users.create()).id
    for text in said:
        await say(ledger, person_id, text)
        assert await ReflectionWorker(ledger, index, complete, CONFIG, "w1").drain(240)
    return person_id


async def stand(ledger: Ledger, person_id: str, status: Any = "active") -> set[str]:
    return {fact.text for fact in (await ledger.facts.list(person_id, status))[0]}


async def fact_called(ledger: Ledger, person_id: str, text: str) -> Fact:
    (found,) = (await ledger.facts.list(person_id, None, query=text))[0]
    return found


def answering(*facts: dict[str, Any]) -> str:
    whole = [{"kind": "background", "turn": 1, "confidence": 0.9, "origin": "stated", **fact} for fact in facts]
    return json.dumps({"facts": whole, "traits": [], "feeling": None})


async def test_a_changed_fact_ends_the_old_one_which_stays_as_history(ledger: Ledger, index: Index) -> None:
    person_id = await tell(ledger, index, "I live in Lisbon.", "I love the sea.", "My mother lives in Lisbon.")
    await tell(ledger, index, "I moved to Porto.", person_id=person_id)
    assert await stand(ledger, person_id) == {"I moved to Porto.", "I love the sea.", "My mother lives in Lisbon."}
    old, new = [await fact_called(ledger, person_id, text) for text in ("I live in", "I moved to")]
    assert (old.status, old.superseded_by, old.valid_to) == ("superseded", new.id, new.valid_from)
    assert old.evidence[0].quote == "I live in Lisbon."
    assert old.id not in await index.ids(person_id)
    assert len(await index.ids(person_id)) == 3


async def test_what_is_said_to_put_right_what_was_said_ends_it_and_is_kept_in_plain_words(
    ledger: Ledger, index: Index
) -> None:
    person_id = await tell(ledger, index, "I live in Rome.", "Actually, I live in Milan.", "I work at Siemens.")
    assert await stand(ledger, person_id) == {"I live in Milan.", "I work at Siemens."}
    assert (await fact_called(ledger, person_id, "Milan")).evidence[0].quote == "Actually, I live in Milan."
    await tell(ledger, index, "I live in Rome.", person_id=person_id)
    assert await stand(ledger, person_id) >= {"I live in Milan.", "I live in Rome."}, "nothing says which holds"


async def test_both_statements_of_one_message_are_told_apart_by_their_order(ledger: Ledger, index: Index) -> None:
    person_id = await tell(ledger, index, "I am vegetarian. I work nights. I'm not vegetarian any more.")
    assert await stand(ledger, person_id) == {"I'm not vegetarian any more.", "I work nights."}


async def test_another_person_s_facts_are_never_ended(ledger: Ledger, index: Index) -> None:
    one = await tell(ledger, index, "I live in Lisbon.")
    other = await tell(ledger, index, "I moved to Porto.")
    assert (await stand(ledger, one), await stand(ledger, other)) == ({"I live in Lisbon."}, {"I moved to Porto."})


async def test_a_model_names_what_is_replaced_and_the_old_fact_ends(ledger: Ledger, index: Index) -> None:
    async def change(asked: Asked) -> str:
        lines = [json.loads(line) for line in asked.text.splitlines() if line.startswith('{"known"')]
        number = next(line["known"] for line in lines if line["text"] == "Lives in Lisbon")
        return answering({"text": "Lives in Porto", "quote": "I moved to Porto", "replaces": number})

    first = answering(
        {"text": "Lives in Lisbon", "quote": "I live in Lisbon"}, {"text": "Is a nurse", "quote": "I am a nurse"}
    )
    complete = ScriptedComplete(first, change)
    person_id = await tell(ledger, index, "I live in Lisbon. I am a nurse.", "I moved to Porto.", complete=complete)
    assert await stand(ledger, person_id) == {"Lives in Porto", "Is a nurse"}
    assert await stand(ledger, person_id, "superseded") == {"Lives in Lisbon"}


@pytest.mark.parametrize("number", [0, -1, 7, 10**9])
async def test_a_number_that_names_no_known_fact_ends_nothing(ledger: Ledger, index: Index, number: int) -> None:
    complete = ScriptedComplete(
        answering({"text": "Lives in Lisbon", "quote": "I live in Lisbon"}),
        answering({"text": "Lives in Porto", "quote": "I moved to Porto", "replaces": number}),
    )
    person_id = await tell(ledger, index, "I live in Lisbon.", "I moved to Porto.", complete=complete)
    assert await stand(ledger, person_id) == {"Lives in Lisbon", "Lives in Porto"}


async def test_a_fact_that_is_far_from_the_new_one_is_not_ended_whatever_a_model_says(
    ledger: Ledger, index: Index
) -> None:
    complete = ScriptedComplete(
        answering({"text": "Is allergic to peanuts", "quote": "peanuts make me ill"}),
        answering({"text": "Lives in Porto", "quote": "I moved to Porto", "replaces": 1}),
    )
    person_id = await tell(ledger, index, "peanuts make me ill", "I moved to Porto.", complete=complete)
    assert await stand(ledger, person_id) == {"Is allergic to peanuts", "Lives in Porto"}


async def test_the_nearest_facts_are_shown_first_however_old_they_are(ledger: Ledger, index: Index) -> None:
    many = [f"My friend number {number} is called Friend{number}." for number in range(40)]
    person_id = await tell(ledger, index, "I live in Lisbon.")
    await tell(ledger, index, *(" ".join(many[at : at + 10]) for at in range(0, 40, 10)), person_id=person_id)
    complete = ScriptedComplete(answering())
    await tell(ledger, index, "I moved from Lisbon to Porto.", complete=complete, person_id=person_id)
    known = [line for line in complete.asked[0].text.splitlines() if line.startswith('{"known"')]
    assert json.loads(known[0]) == {"known": 1, "text": "I live in Lisbon."}


async def test_an_index_that_fails_delays_the_ending_and_costs_no_second_model_call(ledger: Ledger) -> None:
    index = RememberingIndex()
    complete = ScriptedComplete(
        answering({"text": "Lives in Lisbon", "quote": "I live in Lisbon"}),
        answering({"text": "Lives in Porto", "quote": "I moved to Porto", "replaces": 1}),
    )
    person_id = await tell(ledger, index, "I live in Lisbon.", complete=complete)
    index.failing = IndexUnavailableError("the disk is full")
    await tell(ledger, index, "I moved to Porto.", complete=complete, person_id=person_id)
    assert await stand(ledger, person_id) == {"Lives in Lisbon", "Lives in Porto"}
    index.failing = None
    (failed,) = await ledger.jobs.list("failed")
    await ledger.jobs.requeue(failed.id)
    await tell(ledger, index, person_id=person_id)
    assert await ReflectionWorker(ledger, index, complete, CONFIG, "w1").drain(240)
    assert await stand(ledger, person_id) == {"Lives in Porto"} == set(index.texts.values())
    assert len(complete.asked) == 2


async def test_the_same_statement_strengthens_and_never_doubles_also_when_it_comes_32_times_at_once(
    ledger: Ledger, index: Index
) -> None:
    person_id = (await ledger.users.create()).id
    said = ["My dog is called Biscuit.", "my dog is called Biscuit", "My dog is called  biscuit!"]
    await asyncio.gather(*(say(ledger, person_id, said[number % 3]) for number in range(32)))
    workers = [ReflectionWorker(ledger, index, None, CONFIG, f"w{number}") for number in range(4)]
    assert all(await asyncio.gather(*(worker.drain(240) for worker in workers)))
    (fact,), _ = await ledger.facts.list(person_id, None)
    assert len(fact.evidence) == 32
    assert fact.confidence > 0.9
    assert await index.ids(person_id) == {fact.id}
    assert (await ledger.jobs.counts())["failed"] == 0


async def test_what_was_ended_may_become_true_again(ledger: Ledger, index: Index) -> None:
    person_id = await tell(
        ledger, index, "I live in Lisbon.", "I moved to Porto.", "I moved back to Lisbon.", "I love the sea."
    )
    assert await stand(ledger, person_id) == {"I moved back to Lisbon.", "I love the sea."}
    assert await stand(ledger, person_id, "superseded") == {"I live in Lisbon.", "I moved to Porto."}
