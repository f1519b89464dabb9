from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.reflect.sentences import sentences


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I live. I work! Do I? Yes…", ["I live.", "I work!", "Do I?", "Yes…"]),
        ("Dr. Ode met e.g. J. Roe at 3.5 km. She left.", ["Dr. Ode met e.g. J. Roe at 3.5 km.", "She left."]),
        ("我是护士。我住在杭州！你呢？", ["我是护士。", "我住在杭州！", "你呢？"]),
        ("one line\nanother line", ["one line", "another line"]),
        (
            "this line was wrapped by a mail program, so\nit goes on.",
            ["this line was wrapped by a mail program, so it goes on."],
        ),
        ("A sentence\nover two lines.", ["A sentence over two lines."]),
        ("- first\n- second", ["first", "second"]),
        ("He said “stop.” Then he left.", ["He said “stop.”", "Then he left."]),
        ("I am tired; I am sad", ["I am tired;", "I am sad"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_a_text_is_cut_into_sentences(text: str, found: list[str]) -> None:
    assert [sentence.text for sentence in sentences(text)] == found


@given(st.text(alphabet="aI. !?\n。“”;-…\u00a0", max_size=120))
def test_sentences_are_slices_in_order_that_hold_every_letter(text: str) -> None:
    found = list(sentences(text))
    for sentence in found:
        assert " ".join(text[sentence.start : sentence.end].split()) == sentence.text
    assert all(one.end <= other.start for one, other in pairwise(found))
    letters = "".join(character for character in text if character.isalpha())
    assert "".join(character for one in found for character in one.text if character.isalpha()) == letters
