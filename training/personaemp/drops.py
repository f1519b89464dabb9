"""What a build left out, by stage and reason; nothing is left out without being counted here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class DroppedError(Exception):
    """One record, situation or query is left out; raised by a stage and counted by the pipeline."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage = stage
        self.reason = reason


class Drops:
    """Counts by stage and reason."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, stage: str, reason: str, count: int = 1) -> None:
        """Count something that was left out."""
        if count:
            self._counts[stage, reason] += count

    def count(self, dropped: DroppedError) -> None:
        """Count what a stage left out."""
        self.add(dropped.stage, dropped.reason)

    def table(self) -> Mapping[str, Mapping[str, int]]:
        """Return the counts by stage, then by reason, sorted."""
        found: dict[str, dict[str, int]] = {}
        for (stage, reason), count in sorted(self._counts.items()):
            found.setdefault(stage, {})[reason] = count
        return found
