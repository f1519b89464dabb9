from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.models.thinking import ThinkingFilter, visible

TEXTS = st.lists(
    st.sampled_from(["<think>", "</think>", "<", "</", "think", ">", "<thi", "nk>", " ", "\n", "a", "é", "日本"]),
    max_size=20,
).map("".join)


def cut(text: str, at: list[int]) -> list[str]:
    edges = [0, *sorted(i % (len(text) + 1) for i in at), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


@given(TEXTS, st.lists(st.integers(0, 200), max_size=12), st.booleans())
def test_any_chunking_shows_the_same_text(text: str, at: list[int], inside: bool) -> None:
    hiding = ThinkingFilter(inside=inside)
    shown = "".join(hiding.feed(piece) for piece in cut(text, at)) + hiding.finish()
    assert shown == visible(text, inside=inside)


@given(TEXTS, st.booleans())
def test_no_whole_tag_is_ever_shown_and_nothing_shown_is_taken_back(text: str, inside: bool) -> None:
    hiding = ThinkingFilter(inside=inside)
    so_far = ""
    for character in text:
        so_far += hiding.feed(character)
        assert visible(text, inside=inside).startswith(so_far)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Hello.", "Hello."),
        ("<think>hm</think>\n\nHello.", "Hello."),
        ("\n<think>\n</think>\n\nHello.", "Hello."),
        ("One <think>hm</think>two", "One two"),
        ("<think>a</think><think>b</think>c", "c"),
        ("<think>never closed", ""),
        ("<think>a<think>b</think>c", "c"),
        ("a stray </think>tag", "a stray tag"),
        ("1 < 2 and <b>bold</b>", "1 < 2 and <b>bold</b>"),
        ("ends with <thi", "ends with <thi"),
        ("a <think", "a <think"),
        ("  \n ", ""),
        ("", ""),
    ],
)
def test_thinking_is_hidden_and_everything_else_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_reply_that_begins_inside_thinking_shows_what_follows_it() -> None:
    assert visible("hm, let me see</think>\nHello.", inside=True) == "Hello."
    assert visible("hm, let me see", inside=True) == ""


def test_text_that_cannot_be_a_tag_is_shown_at_once() -> None:
    hiding = ThinkingFilter()
    assert [hiding.feed(piece) for piece in ("Hel", "lo <", "3 you", " <thin", "gs>")] == [
        "Hel",
        "lo ",
        "<3 you",
        " ",
        "<things>",
    ]
