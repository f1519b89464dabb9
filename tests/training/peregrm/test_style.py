from __future__ import annotations

import pytest

from training.peregrm.style import STYLES, style


def test_the_outer_form_of_a_reply_is_counted() -> None:
    text = "# Plan\n\n- rest\n- eat\n2. call Ana\n\n**Next:**\nWhat a thought. You're so amazing! Really? Sure?!"
    counts = style(text)
    assert counts == {
        "characters": float(len(text)),
        "words": 18.0,
        "bullets": 3.0,
        "headings": 2.0,
        "questions": 2.0,
        "flattery": 1.0,
    }


@pytest.mark.parametrize("text", ["", "— well - yes", "2024. a year", "你真棒", "?" * 3])
def test_every_reply_has_every_count(text: str) -> None:
    assert tuple(style(text)) == STYLES
