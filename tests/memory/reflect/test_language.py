import pytest

from memory.reflect.language import NAMES, languages
from memory.reflect.patterns import any_of, filled, read


def test_every_language_has_rules() -> None:
    assert [language.name for language in languages()] == list(NAMES)
    assert all(language.rules for language in languages())


@pytest.mark.parametrize("name", NAMES)
def test_every_word_and_phrase_of_a_language_is_used(name: str) -> None:
    file = read(name)
    named = {*file.get("words", {}), *file.get("phrases", {})}
    assert {word for word in named if f"<{word}>" not in str(file)} == set()


def test_patterns_name_one_another() -> None:
    assert filled("a <b> c", {"b": "(?:<d>|e)", "d": "D"}) == "a (?:D|e) c"
    with pytest.raises(KeyError):
        filled("<nobody>", {})


def test_no_patterns_match_nothing() -> None:
    assert any_of(()) == "(?!)"
