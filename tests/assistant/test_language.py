import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.language import detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I had a long day at work", "en"),
        ("Biscuit limps", "en"),
        ("", "en"),
        ("Hoy ha sido un día muy largo", "es"),
        ("Ich hatte heute einen langen Tag", "de"),
        ("J’ai eu une longue journée aujourd’hui", "fr"),
        ("Tive um dia muito longo hoje", "pt"),
        ("今天很累", "zh"),
        ("今日は疲れました", "ja"),
        ("Сегодня был долгий день", "other"),
        ("오늘은 힘든 하루였어", "other"),
        ("Sono molto stanco e non so che fare", "other"),
    ],
)
def test_the_language_of_a_message_is_guessed(text: str, language: str) -> None:
    assert detect_language(text) == language


@given(st.text(max_size=200))
def test_any_text_has_a_language(text: str) -> None:
    assert detect_language(text) in {"en", "es", "de", "fr", "pt", "zh", "ja", "other"}
