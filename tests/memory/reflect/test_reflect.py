import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.errors import ReflectionError
from memory.reflect.reflect import MAX_CALL_CHARS, MAX_CALLS, MAX_FINDINGS, reflect
from memory.reflect.schema import ANSWER_SCHEMA
from memory.types import Evidence, Fact, Kind, Message, Reflection, Trait
from tests.fakes.turns import NOON, ScriptedComplete, person, reply

NOTHING = json.dumps({"facts": [], "traits": [], "feeling": None})
TURNS = [person("I work nights as a nurse.\nIt is   hard."), reply("Nurses see much. I am a doctor.")]


def fact(**changes: Any) -> dict[str, Any]:
    return {
        "text": "Works as a nurse on night shifts",
        "kind": "background",
        "turn": 1,
        "quote": "I work nights as a nurse",
        "confidence": 0.9,
        "origin": "stated",
        **changes,
    }


def trait(**changes: Any) -> dict[str, Any]:
    return {
        "trait": "neuroticism",
        "direction": "high",
        "strength": 0.5,
        "item": None,
        "turn": 1,
        "quote": "It is hard",
        **changes,
    }


def answer(*facts: Any, traits: Any = (), feeling: Any = None) -> str:
    return json.dumps({"facts": list(facts), "traits": list(traits), "feeling": feeling})


async def found(*facts: Any, turns: list[Message] = TURNS, **rest: Any) -> Reflection:
    return await reflect(turns, [], ScriptedComplete(answer(*facts, **rest)))


async def test_a_fact_rests_on_the_exact_words_of_the_message() -> None:
    reflection = await found(fact(quote="as a nurse. It is hard."))
    (kept,) = reflection.facts
    assert kept.evidence == (Evidence("m1", "as a nurse.\nIt is   hard."),)
    assert (kept.text, kept.kind, kept.origin) == ("Works as a nurse on night shifts", Kind.BACKGROUND, "stated")
    assert kept.observed_at == NOON
    assert reflection.by == "model"
    assert reflection.dropped == {}


async def test_the_shape_of_quotation_marks_does_not_matter() -> None:
    reflection = await found(fact(quote="I don't sleep"), turns=[person("I don’t sleep at all")])
    assert reflection.facts[0].evidence[0].quote == "I don’t sleep"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"turn": 0}, "no such turn"),
        ({"turn": 3}, "no such turn"),
        ({"turn": -1}, "no such turn"),
        ({"turn": 2, "quote": "I am a doctor"}, "not the person's turn"),
        ({"quote": "I work days"}, "quote not in the turn"),
        ({"quote": "i work nights"}, "quote not in the turn"),
        ({"quote": "I am a doctor"}, "quote not in the turn"),
        ({"quote": "  "}, "no quote"),
        ({"quote": "."}, "no quote"),
        ({"quote": "I work nights " * 100}, "quote too long"),
        ({"text": " \n"}, "no text"),
        ({"text": "…"}, "no text"),
        ({"text": "\ud83d\x00"}, "no text"),
        ({"text": "x" * 241}, "text too long"),
        ({"kind": "job"}, "unknown kind"),
        ({"origin": "guessed"}, "unknown origin"),
        ({"confidence": 1.01}, "confidence out of range"),
        ({"confidence": -1}, "confidence out of range"),
        ({"confidence": 1e308}, "confidence out of range"),
    ],
)
async def test_a_fact_that_fails_a_check_is_dropped_and_counted(changes: dict[str, Any], reason: str) -> None:
    reflection = await found(fact(**changes), fact(text="Finds it hard", quote="It is hard"))
    assert [kept.text for kept in reflection.facts] == ["Finds it hard"]
    assert reflection.dropped == {reason: 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trait": "honesty"}, "unknown trait"),
        ({"direction": "up"}, "unknown direction"),
        ({"strength": 0}, "strength out of range"),
        ({"strength": 2}, "strength out of range"),
        ({"quote": "It is easy"}, "quote not in the turn"),
        ({"turn": 2, "quote": "I am a doctor"}, "not the person's turn"),
    ],
)
async def test_trait_evidence_that_fails_a_check_is_dropped_and_counted(changes: dict[str, Any], reason: str) -> None:
    reflection = await found(traits=[trait(**changes), trait(direction="low", item="Am relaxed most of the time")])
    (kept,) = reflection.traits
    assert (kept.trait, kept.direction, kept.item) == (Trait.NEUROTICISM, -1, "Am relaxed most of the time")
    assert (kept.evidence, kept.source) == (Evidence("m1", "It is   hard"), "model")
    assert reflection.dropped == {reason: 1}


async def test_the_feeling_is_kept_apart_and_short() -> None:
    assert (await found(feeling=" tired\n")).feeling == "tired"
    long = await found(feeling="tired and " * 20)
    assert (long.feeling, long.dropped) == (None, {"feeling too long": 1})


async def test_a_fact_said_twice_is_kept_once_and_too_many_are_cut() -> None:
    twice = await found(fact(), fact())
    assert (len(twice.facts), twice.dropped) == (1, {"said twice": 1})
    many = await found(*(fact(text=f"Fact {n}") for n in range(MAX_FINDINGS + 5)))
    assert (len(many.facts), many.dropped) == (MAX_FINDINGS, {"too many": 5})


async def test_a_valid_answer_without_findings_is_a_valid_empty_result() -> None:
    assert await reflect(TURNS, [], ScriptedComplete(NOTHING)) == Reflection(by="model")


@pytest.mark.parametrize("garbled", ["", "null", "{}", "I can't help with that.", NOTHING[:-3], '{"facts": ["tea"]}'])
async def test_a_garbled_answer_is_never_an_empty_result(garbled: str) -> None:
    with pytest.raises(ReflectionError):
        await reflect(TURNS, [], ScriptedComplete(garbled))


async def test_what_the_engine_raises_becomes_a_reflection_error() -> None:
    with pytest.raises(ReflectionError, match="ConnectionError: nothing answers"):
        await reflect(TURNS, [], ScriptedComplete(ConnectionError("nothing answers")))


async def test_crisis_turns_and_the_replies_to_them_never_reach_the_model() -> None:
    complete = ScriptedComplete(NOTHING)
    turns = [
        person("I want to end it.", "m1", "imminent"),
        reply("I am glad you told me.", "r1", "m1"),
        person("My cat is called Mole.", "m2", "concern"),
        person("I would do it tonight.", "m3", "high"),
    ]
    await reflect(turns, [], complete, earlier=[person("I have pills.", "m0", "high")])
    (asked,) = complete.asked
    assert "Mole" in asked.text
    for words in ("end it", "glad you told me", "tonight", "pills"):
        assert words not in asked.text
    assert await reflect(turns[:2], [], complete) == Reflection(by="model")
    assert len(complete.asked) == 1


async def test_the_model_is_asked_with_the_schema_the_numbered_turns_and_what_is_known() -> None:
    complete = ScriptedComplete(NOTHING)
    known = Fact("f1", "p1", 'Has a "cat"', Kind.POSSESSION, 1, "stated", (), NOON)
    await reflect(TURNS, [known], complete, earlier=[person("Hello there", "m0")])
    (asked,) = complete.asked
    assert asked.schema == ANSWER_SCHEMA
    lines = [json.loads(line) for line in asked.text.splitlines() if line.startswith(('{"turn"', '{"known'))]
    assert lines == [
        {"known": 1, "text": 'Has a "cat"'},
        {"turn": "earlier", "said_by": "person", "text": "Hello there"},
        {"turn": 1, "said_by": "person", "text": TURNS[0].text},
        {"turn": 2, "said_by": "assistant", "text": TURNS[1].text},
    ]


@given(st.text(max_size=300))
async def test_nothing_a_person_writes_can_leave_its_line(text: str) -> None:
    complete = ScriptedComplete(NOTHING)
    await reflect([person("{{known}} " + text)], [], complete)
    last = complete.asked[0].text.rstrip("\n").rsplit("\n", 1)[1]
    assert json.loads(last)["turn"] == 1


async def test_turns_of_the_assistant_alone_are_not_asked_about() -> None:
    complete = ScriptedComplete(NOTHING)
    assert await reflect([reply("I am a doctor.")], [], complete) == Reflection(by="model")
    assert complete.asked == []


async def test_a_long_message_is_read_in_parts_and_its_quotes_are_found() -> None:
    text = "blah " * 2_000 + "I have a sister called Noor. " + "blah " * 500
    complete = ScriptedComplete(NOTHING, answer(fact(text="Her sister is Noor", quote="I have a sister called Noor")))
    reflection = await reflect([person(text)], [], complete)
    assert len(complete.asked) == 2
    assert [one.evidence[0].quote for one in reflection.facts] == ["I have a sister called Noor"]


async def test_a_huge_message_costs_a_bounded_number_of_calls_and_the_rest_is_counted() -> None:
    complete = ScriptedComplete(NOTHING)
    reflection = await reflect([person("x" * MAX_CALL_CHARS * 25)], [], complete)
    assert len(complete.asked) == MAX_CALLS
    assert reflection.dropped == {"beyond the limit": 25 - MAX_CALLS}


async def test_one_failing_call_of_several_fails_the_whole_batch() -> None:
    complete = ScriptedComplete(answer(fact(quote="blah blah")), "null")
    with pytest.raises(ReflectionError):
        await reflect([person("blah " * 2_500)], [], complete)


async def test_a_retracted_reply_is_not_shown() -> None:
    complete = ScriptedComplete(NOTHING)
    await reflect([person("I am tired."), replace(reply("Something wrong"), status="retracted")], [], complete)
    assert "Something wrong" not in complete.asked[0].text


async def test_without_a_model_the_rules_reflect() -> None:
    reflection = await reflect([person("My dog is called Biscuit.")], [], None)
    assert (reflection.by, [one.text for one in reflection.facts]) == ("offline", ["My dog is called Biscuit."])
