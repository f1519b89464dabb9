from __future__ import annotations

from assistant import wire
from tests.fakes.scripted_backend import CARD
from tui.card import entries, plain_lines


def test_the_emergency_number_comes_first() -> None:
    assert [entry.name for entry in entries(CARD)] == ["Emergency", "988 Suicide & Crisis Lifeline"]
    assert entries(CARD)[1].ways == ("call 988 · text 988", "chat https://988lifeline.org")


def test_a_card_reads_as_lines() -> None:
    assert plain_lines(CARD) == [
        CARD.message,
        "  Emergency: call 911",
        "  988 Suicide & Crisis Lifeline: call 988 · text 988 · chat https://988lifeline.org (24/7, en/es)",
    ]


def test_a_card_without_verified_numbers_still_speaks() -> None:
    card = wire.ResourceCard(message="Please talk to somebody you trust.", lines=[wire.Resource(name="A line")])
    assert plain_lines(card) == ["Please talk to somebody you trust.", "  A line: no contact is known"]
