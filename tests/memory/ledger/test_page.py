import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.ledger.page import InvalidCursorError, from_cursor, to_cursor


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), min_size=1, max_size=3))
def test_a_cursor_reads_back_as_what_it_was_made_of(parts: list[str]) -> None:
    assert from_cursor(to_cursor(*parts), len(parts)) == tuple(parts)


@given(st.text() | st.just("bnVsbA") | st.just("WzFd") | st.just("e30"))
def test_what_is_no_cursor_is_refused_with_one_error(cursor: str) -> None:
    try:
        assert len(from_cursor(cursor, 2)) == 2
    except InvalidCursorError as error:
        assert "next_cursor" in str(error)


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(InvalidCursorError):
        from_cursor(to_cursor("one"), 2)
