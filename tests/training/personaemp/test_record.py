from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from training.personaemp.record import Record, RecordMemory, Turn

AT = datetime(2026, 5, 1, tzinfo=UTC)


def hours(count: int) -> datetime:
    return AT + timedelta(hours=count)


def test_what_was_learnt_later_was_not_known() -> None:
    turns = tuple(Turn(f"t{hour}", "c0", "user", "words", hours(hour)) for hour in range(4))
    memories = (
        RecordMemory("before", "x", at=hours(1), message_ids=("t0", "t3")),
        RecordMemory("at that moment", "x", at=hours(2), message_ids=("t2",)),
        RecordMemory("later", "x", at=hours(3), message_ids=("t2",)),
        RecordMemory("no more", "x", at=hours(0), until=hours(1)),
        RecordMemory("rejected", "[ERROR: x", error=True, at=hours(0)),
        RecordMemory("for a while yet", "x", at=hours(0), until=hours(3)),
    )
    record = Record("p", "ledger", "p", turns, memories)
    known = record.known_at(turns[2])
    assert [memory.id for memory in known] == ["before", "for a while yet"]
    assert known[0].message_ids == ("t0",)
    assert [memory.id for memory in record.known()] == ["before", "at that moment", "later"]


def test_without_dates_the_turn_it_was_said_in_tells() -> None:
    turns = tuple(Turn(f"t{number}", "c0", "user", "words") for number in range(3))
    memories = (
        RecordMemory("m0", "x", message_ids=("t0",)),
        RecordMemory("m1", "x", message_ids=("t1",)),
        RecordMemory("nobody knows when", "x"),
    )
    assert [one.id for one in Record("p", "alpsbench", "x:1", turns, memories).known_at(turns[1])] == ["m0"]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=8), st.integers(0, 9))
def test_nothing_known_is_ever_later(spans: list[tuple[int, int]], now: int) -> None:
    turns = tuple(Turn(f"t{hour}", f"c{hour % 2}", "user", "words", hours(hour)) for hour in range(10))
    memories = tuple(
        RecordMemory(f"m{number}", "x", at=hours(since), until=hours(since + more), message_ids=(f"t{since % 10}",))
        for number, (since, more) in enumerate(spans)
    )
    for memory in Record("p", "ledger", "p", turns, memories).known_at(turns[now]):
        assert memory.at is not None and memory.at < hours(now)
        assert all(int(id[1:]) < now for id in memory.message_ids)
