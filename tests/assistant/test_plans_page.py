from pathlib import Path

from assistant.plans_page import MESSAGES, PEOPLE, answers, page, shared

PAGE = Path(__file__).parents[2] / "docs" / "plans.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m assistant.plans_page"


def test_no_two_people_share_more_than_half_of_their_sentences() -> None:
    parts = shared(answers())
    assert len(parts) == 6
    assert max(parts.values()) <= 0.5


def test_four_people_get_four_replies_and_four_manners() -> None:
    found = answers()
    assert len(found) == 40
    for message in MESSAGES:
        assert len({one.reply for one in found if one.message == message}) == len(PEOPLE)
    assert len({one.plan.manner for one in found}) == len(PEOPLE)


def test_strategies_and_order_differ_with_the_person() -> None:
    found = answers()
    differing = [
        message for message in MESSAGES if len({one.plan.strategies for one in found if one.message == message}) > 1
    ]
    assert len(differing) >= 7
