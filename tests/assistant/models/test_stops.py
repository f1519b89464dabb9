from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assistant.models.stops import StopFilter

PIECES = st.lists(st.sampled_from(["a", "\n", "User", ":", "\nUser:", "END", "E", "ND", " "]), max_size=15)


@given(PIECES)
def test_any_chunking_ends_before_the_first_stop_string(pieces: list[str]) -> None:
    stops = ("\nUser:", "END")
    whole = "".join(pieces)
    end = min((at for stop in stops if (at := whole.find(stop)) >= 0), default=len(whole))
    filter = StopFilter(stops)
    shown = "".join(filter.feed(piece) for piece in pieces) + filter.finish()
    assert shown == whole[:end]
    assert filter.stopped is (end < len(whole))


def test_without_stop_strings_nothing_is_held_back() -> None:
    filter = StopFilter(())
    assert filter.feed("anything\n") == "anything\n"
    assert filter.finish() == ""
