import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.errors import ReflectionError
from memory.reflect.schema import ANSWER_SCHEMA, MAX_ANSWER_CHARS, Answer, parse

FACT = {
    "text": "Works nights",
    "kind": "background",
    "turn": 1,
    "quote": "I work nights",
    "confidence": 0.9,
    "origin": "stated",
}
WHOLE = json.dumps({"facts": [FACT], "traits": [], "feeling": None})
SECRET = "Ortrud"

GARBLED = {
    "nothing": "",
    "white space": " \n ",
    "null": "null",
    "a number": "42",
    "a word": '"yes"',
    "an empty object": "{}",
    "an empty list": "[]",
    "a list of facts": json.dumps([FACT]),
    "no traits": json.dumps({"facts": []}),
    "null facts": '{"facts": null, "traits": []}',
    "facts as one object": json.dumps({"facts": FACT, "traits": []}),
    "a list of strings": json.dumps({"facts": [f"{SECRET} works nights"], "traits": []}),
    "a null fact": '{"facts": [null], "traits": []}',
    "a fact without its turn": json.dumps({"facts": [{k: v for k, v in FACT.items() if k != "turn"}], "traits": []}),
    "a turn in words": json.dumps({"facts": [{**FACT, "turn": "one"}], "traits": []}),
    "a turn as text": json.dumps({"facts": [{**FACT, "turn": "1"}], "traits": []}),
    "a turn as a truth value": json.dumps({"facts": [{**FACT, "turn": True}], "traits": []}),
    "a null quote": json.dumps({"facts": [{**FACT, "quote": None}], "traits": []}),
    "confidence in words": json.dumps({"facts": [{**FACT, "confidence": "high"}], "traits": []}),
    "not a number": WHOLE.replace("0.9", "NaN"),
    "an endless number": WHOLE.replace("0.9", "9" * 5000),
    "the same key twice": '{"facts": [], "facts": [], "traits": []}',
    "trailing prose": WHOLE + "\nI hope this helps!",
    "leading prose": "Here you are: " + WHOLE,
    "two objects": WHOLE + WHOLE,
    "cut off": WHOLE[:-9],
    "cut off in a string": WHOLE[:20],
    "a refusal": f"I'm sorry, I can't talk about {SECRET}.",
    "single quotes": WHOLE.replace('"', "'"),
    "an unclosed fence": "```json\n" + WHOLE,
    "prose after the fence": "```json\n" + WHOLE + "\n```\nDone.",
    "deeply nested": '{"facts": ' + "[" * 100_000,
    "huge": '{"facts": [], "traits": [], "feeling": "' + "x" * MAX_ANSWER_CHARS + '"}',
    "JSON in a string": json.dumps(WHOLE),
}


@pytest.mark.parametrize("answer", GARBLED.values(), ids=GARBLED.keys())
def test_a_garbled_answer_is_an_error_that_quotes_nothing_of_it(answer: str) -> None:
    with pytest.raises(ReflectionError) as raised:
        parse(answer)
    assert SECRET not in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("answer", [None, 3, b"{}", {"facts": [], "traits": []}])
def test_an_answer_that_is_not_text_is_an_error(answer: object) -> None:
    with pytest.raises(ReflectionError, match="instead of text"):
        parse(answer)


def test_a_cut_off_answer_is_called_so() -> None:
    with pytest.raises(ReflectionError, match="cut off"):
        parse(WHOLE[:-9])


@pytest.mark.parametrize("form", ["{}", "```json\n{}\n```", "```\n{}\n```", "\ufeff{}\n"])
def test_an_answer_may_stand_alone_or_in_one_code_fence(form: str) -> None:
    assert parse(form.replace("{}", WHOLE)).facts[0].quote == "I work nights"


def test_nothing_found_is_a_valid_answer() -> None:
    assert parse('{"facts": [], "traits": [], "feeling": null}') == Answer(facts=[], traits=[])


def test_keys_beyond_the_schema_are_ignored() -> None:
    assert parse(json.dumps({"thought": "…", "facts": [{**FACT, "why": "…"}], "traits": []})).facts[0].turn == 1


def test_the_schema_requires_every_key_and_allows_no_other() -> None:
    parts: list[dict[str, Any]] = [ANSWER_SCHEMA, *ANSWER_SCHEMA["$defs"].values()]
    assert len(parts) == 3
    for part in parts:
        assert sorted(part["required"]) == sorted(part["properties"])
        assert part["additionalProperties"] is False
    assert "relationship" in ANSWER_SCHEMA["$defs"]["FoundFact"]["properties"]["kind"]["enum"]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except ReflectionError:
        return


KEYS = st.sampled_from(["facts", "traits", "feeling", "turn", "x"])
LEAVES = st.none() | st.booleans() | st.floats() | st.text()


@given(st.recursive(LEAVES, lambda part: st.lists(part) | st.dictionaries(KEYS, part)))
def test_any_json_is_read_or_refused(value: Any) -> None:
    try:
        parse(json.dumps(value))
    except ReflectionError:
        return
