from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from assistant.reminder import PAUSE, due

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
EVERY = timedelta(hours=3)


def _after(*minutes: int) -> list[datetime]:
    return [NOON + timedelta(minutes=minute) for minute in minutes]


def _told(minutes: list[int]) -> list[int]:
    """The messages, by number, that a reminder comes with."""
    return [n for n in range(1, len(minutes) + 1) if due(_after(*minutes[:n]), EVERY) is not None]


def test_the_first_message_after_three_hours_brings_it_and_the_next_does_not() -> None:
    minutes = list(range(0, 400, 50))
    assert _told(minutes) == [5, 9] or _told(minutes) == [5]
    assert due(_after(*minutes[:5]), EVERY) == 3


def test_it_comes_again_after_three_more() -> None:
    minutes = list(range(0, 600, 30))
    assert [minutes[n - 1] for n in _told(minutes)] == [180, 360, 540]


def test_a_pause_begins_anew() -> None:
    assert _told([0, 50, 100, 161, 200, 250, 300, 330]) == []
    assert _told([0]) == []
    assert due([], EVERY) is None


def test_none_is_due_where_the_period_is_zero() -> None:
    assert due(_after(0, 50, 100, 150, 200), timedelta(0)) is None


@given(st.lists(st.integers(1, 59), min_size=1, max_size=80))
def test_without_a_pause_there_is_one_for_every_full_period_that_was_reached(steps: list[int]) -> None:
    minutes = [0]
    for step in steps:
        minutes.append(minutes[-1] + step)
    assert timedelta(minutes=59) < PAUSE
    assert len(_told(minutes)) == minutes[-1] // 180
