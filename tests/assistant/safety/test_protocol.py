import pytest

from assistant.safety.protocol import guidance, safe_reply, show_card
from assistant.safety.screen import LEVELS, Screen, screen, screen_reply
from memory.types import CrisisLevel

CATEGORIES = ("self_harm", "harm_to_others", "abuse", "eating_disorder", "psychosis_or_mania")
LANGUAGES = ("en", "es", "de", "fr", "pt", "zh", "ja")


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("level", ["high", "imminent"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fixed_reply_is_safe_and_asks_something(language: str, level: CrisisLevel, category: str) -> None:
    reply = safe_reply(Screen(level, (category,), (), language))
    assert screen_reply(reply) is None
    assert any(mark in reply for mark in ("?", "？", "か。"))
    assert "{" not in reply


def test_the_reply_is_in_the_language_of_the_message() -> None:
    assert "segura" in safe_reply(screen("quiero morir")) or "a salvo" in safe_reply(screen("quiero morir"))
    assert "你" in safe_reply(screen("我想死"))


def test_another_language_is_answered_in_english() -> None:
    assert safe_reply(screen("не хочу жить")) == safe_reply(screen("I don't want to live anymore"))


def test_the_same_reply_is_not_given_twice_in_a_row() -> None:
    found = Screen("high", ("self_harm",))
    said: list[str] = []
    for _ in range(7):
        said.append(safe_reply(found, said=said))
    assert len(set(said)) == 7
    assert safe_reply(found, said=said) != said[-1]


def test_the_first_question_is_about_safety_and_is_not_repeated() -> None:
    found = Screen("high", ("self_harm",))
    first = safe_reply(found)
    assert "are you thinking about ending your life" in first
    second = safe_reply(found, said=[first])
    assert "ending your life" not in second


def test_numbers_come_with_the_first_reply_only() -> None:
    found = Screen("high", ("self_harm",))
    first = safe_reply(found, "US")
    assert "988" in first
    assert "988" not in safe_reply(found, "US", said=[first])


@pytest.mark.parametrize("category", CATEGORIES)
def test_guidance_forbids_methods_and_asks_about_safety(category: str) -> None:
    text = guidance("high", (category,))
    assert "methods" in text
    assert "safe right now" in text
    assert "{{" not in text


@pytest.mark.parametrize("level", ["none", "concern"])
def test_below_high_there_is_no_crisis_guidance(level: CrisisLevel) -> None:
    assert guidance(level, ("self_harm",)) == ""


@pytest.mark.parametrize(
    ("previous", "level", "shown"),
    [
        ([], "none", False),
        ([], "concern", False),
        ([], "high", True),
        ([], "imminent", True),
        (["none", "concern"], "high", True),
        (["high"], "high", False),
        (["high", "none"], "high", False),
        (["high"], "imminent", True),
        (["imminent"], "imminent", False),
        (["imminent"], "high", False),
        ([None, "high"], "concern", False),
    ],
)
def test_the_card_is_shown_once_and_again_when_it_gets_worse(
    previous: list[CrisisLevel | None], level: CrisisLevel, shown: bool
) -> None:
    assert show_card(previous, level) is shown


def test_levels_are_in_order() -> None:
    assert LEVELS == ("none", "concern", "high", "imminent")
