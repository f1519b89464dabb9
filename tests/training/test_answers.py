from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.builder_server import SHAPES
from training.answers import NotJsonError, NotOfSchemaError, read_answer
from training.personaemp.inspection import INSPECTION

ANSWER = {"needs_support": True, "consistent": True, "in_role": False, "language": "en"}
ANYTHING = {"type": "object"}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("name", SHAPES)
def test_each_of_twenty_shapes_is_read_or_refused_for_what_it_is(name: str) -> None:
    change, outcome = SHAPES[name]
    text = change(json.dumps(ANSWER))
    if outcome == "ok":
        text = text.partition("</think>")[2] or text
        assert read_answer(text, INSPECTION.schema) == ANSWER
        return
    with pytest.raises(NotJsonError if outcome == "garbled" else NotOfSchemaError):
        read_answer(text, INSPECTION.schema)


@given(st.dictionaries(st.text("abc"), values, max_size=4))
def test_any_object_is_read_back_bare_fenced_or_in_prose(value: dict[str, Any]) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert read_answer(text, ANYTHING) == value
    assert read_answer(f"```json\n{text}\n```", ANYTHING) == value
    assert read_answer(f"Well: {text}", ANYTHING) == value


def test_an_object_inside_an_answer_that_broke_off_is_not_the_answer() -> None:
    with pytest.raises(NotJsonError):
        read_answer('{"situations": [{"category": "x"}, {"cat', ANYTHING)


def test_a_refusal_names_the_place_and_quotes_no_value() -> None:
    with pytest.raises(NotOfSchemaError) as refused:
        read_answer(json.dumps({**ANSWER, "language": "my secret"}), INSPECTION.schema)
    assert "language" in str(refused.value)
    assert "secret" not in str(refused.value)
