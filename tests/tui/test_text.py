from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.text import clean, clean_json, one_line


def test_escape_sequences_lose_what_makes_them_work() -> None:
    assert clean("\x1b[31mred\x1b[0m \x9b2J\x07\r\nnext\tcolumn") == "[31mred[0m 2J\nnext\tcolumn"


def test_strings_are_cleaned_wherever_they_stand_in_json() -> None:
    assert clean_json({"a": ["\x1bx", 1, None, {"b": "y\x00"}]}) == {"a": ["x", 1, None, {"b": "y"}]}


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=())))
def test_clean_text_can_always_be_written_and_is_stable(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert clean(cleaned) == cleaned
    assert not {"\x1b", "\x9b", "\r", "\x00"} & set(cleaned)


@given(st.text(), st.integers(1, 40))
def test_one_line_is_one_line_of_the_asked_width(text: str, width: int) -> None:
    line = one_line(text, width)
    assert len(line) <= width
    assert "\n" not in line
