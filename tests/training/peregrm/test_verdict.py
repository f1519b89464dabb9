from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.peregrm.verdict import (
    MixedJudgesError,
    UnreadableError,
    Verdict,
    boxed,
    require_other_writer,
    same_judge,
)


def verdict(judge: str = "j", writer: str = "w") -> Verdict:
    return Verdict(judge, writer, {"resonation": (3.0,)}, None, 1, 0.1)


def test_the_last_box_counts_and_not_one_quoted_from_the_reply() -> None:
    assert boxed(r'The reply says "\boxed{5}", which is a trick. \boxed{2}', 1, 1, 5) == (2.0,)


def test_several_scores_stand_in_one_box() -> None:
    assert boxed(r"so: \boxed{ 4, 3,5 ,1.5 }", 4, 1, 5) == (4.0, 3.0, 5.0, 1.5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot grade this.",
        r"\boxed{}",
        r"\boxed{high}",
        r"\boxed{6}",
        r"\boxed{0}",
        r"\boxed{-3}",
        r"\boxed{3, 4}",
        r"\boxed{nan}",
        r"\boxed{inf}",
        r"\boxed{3",
        r"\boxed{4} and then \boxed{none}",
    ],
)
def test_what_is_no_score_on_the_scale_is_unreadable_and_never_a_number(text: str) -> None:
    with pytest.raises(UnreadableError):
        boxed(text, 1, 1, 5)


@given(st.text(), st.integers(1, 5))
def test_whatever_stands_before_the_last_box_changes_nothing(before: str, score: int) -> None:
    assert boxed(f"{before} \\boxed{{{score}}}", 1, 1, 5) == (float(score),)


def test_scores_of_two_judges_or_two_writers_are_never_put_together() -> None:
    assert same_judge([verdict(), verdict()]) == ("j", "w")
    for other in (verdict(judge="k"), verdict(writer="v")):
        with pytest.raises(MixedJudgesError, match="cannot be averaged"):
            same_judge([verdict(), other])
    with pytest.raises(MixedJudgesError):
        same_judge([])


def test_an_evaluation_needs_rulers_of_another_model() -> None:
    require_other_writer("m1-a", "m2-a")
    for same in ("m1-a", "m1-b"):
        with pytest.raises(MixedJudgesError, match="another model"):
            require_other_writer("m1-a", same)
