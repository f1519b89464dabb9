from __future__ import annotations

import time

from training.endpoint import Endpoint
from training.personaemp.build import Progress
from training.personaemp.build_progress import summary
from training.personaemp.drops import Drops


def progress(records: int, total: int | None = 300) -> Progress:
    """A build that has run for a hundred seconds, 128 records at once."""
    endpoint = Endpoint(model="m", concurrency=64)
    return Progress(total, endpoint, {}, Drops(), records=records, begun=time.monotonic() - 100)


def test_the_time_left_counts_records_under_way_as_half_done() -> None:
    first, half, last = (progress(records).seconds_left for records in (1, 150, 300))
    assert first is not None and half is not None and last == 0
    assert 300 < first < 400, "one of 300 is done, and 128 are under way"
    assert 30 < half < 60


def test_where_it_cannot_be_told_no_time_is_given() -> None:
    assert progress(0).seconds_left is None
    assert progress(5, total=None).seconds_left is None
    assert " left" not in summary(progress(5, total=None)) and " left" in summary(progress(5))
