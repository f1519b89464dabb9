"""An index of facts that only remembers what it was given, and fails when told to."""

from __future__ import annotations

from collections.abc import Sequence

from memory.types import Fact


class RememberingIndex:
    """Keeps the newest text of every fact by id."""

    own = True

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.calls = 0
        self.failing: Exception | None = None
        """While set, `add_many` raises it."""

    async def add_many(self, facts: Sequence[Fact]) -> None:
        self.calls += 1
        if self.failing is not None:
            raise self.failing
        self.texts.update({fact.id: fact.text for fact in facts})

    async def rebuild(self, _person_id: str, facts: Sequence[Fact]) -> None:
        if self.failing is not None:
            raise self.failing
        self.texts = {fact.id: fact.text for fact in facts}

    async def search(self, _person_id: str, _query: str, limit: int) -> list[tuple[str, float]]:
        """Find everything alike near, the newest first."""
        return [(fact_id, 0.5) for fact_id in reversed(self.texts)][:limit]

    async def forget(self, _person_id: str, fact_ids: Sequence[str]) -> None:
        for fact_id in fact_ids:
            self.texts.pop(fact_id, None)
