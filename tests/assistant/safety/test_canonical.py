import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.safety.canonical import canonical, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I don’t want to live…", "i dont want to live ."),
        ("K i l l  me, NOW!", "kill me , now ."),
        ("zero\u200bwidth", "zerowidth"),
        ("No puedo más", "no puedo mas"),
        ("She said “I want to go.”", 'she said " i want to go . "'),
        ("我不想活了。", "我不想活了 ."),
        ("hahaha sooooo good", "lol so good"),
        ("100mg at 24h", "100mg at 24h"),
        ("self-harm", "self harm"),
    ],
)
def test_text_takes_its_canonical_form(text: str, expected: str) -> None:
    assert canonical(text) == expected


@given(st.text(max_size=300))
def test_no_text_breaks_the_canonical_form(text: str) -> None:
    assert all(part.strip() for part in sentences(canonical(text)))
