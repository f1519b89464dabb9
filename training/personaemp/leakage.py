"""What must not pass from one split into another: a person, or a query that is nearly the same; it fails the build."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack

from training.errors import DatasetError
from training.example import Split
from training.personaemp.near import NearTexts


def check_leakage(splits: Mapping[Split, Iterable[tuple[str, str]]]) -> None:
    """Read the person and the query of every row, split by split, and return when nothing leaks.

    Raises:
        DatasetError: something does; the message says what, between which splits and how often, and quotes nothing.
    """
    seen: dict[str, Split] = {}
    leaks: Counter[str] = Counter()
    with ExitStack() as stack:
        earlier: dict[Split, NearTexts] = {}
        for split, rows in splits.items():
            own = stack.enter_context(NearTexts.open())
            for person, query in rows:
                if seen.setdefault(person, split) != split:
                    leaks[f"rows of a person of {seen[person]} stand in {split}"] += 1
                for other, texts in earlier.items():
                    if next(texts.like(query), None) is not None:
                        leaks[f"queries of {split} nearly repeat one of {other}"] += 1
                own.add(person, query)
            earlier[split] = own
    if leaks:
        found = "; ".join(f"{count} {leak}" for leak, count in sorted(leaks.items()))
        raise DatasetError(f"the splits leak: {found}. Repair: drop near-duplicates before the data set is written")
