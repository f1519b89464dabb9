"""One's own records and a base set in a stated ratio, as one stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from training.personaemp.record import Record, Skipped


@dataclass(slots=True)
class Mixed:
    """How many records of each kind were given on."""

    own: int = 0
    base: int = 0


async def mix(
    own: AsyncIterator[Record | Skipped], base: AsyncIterator[Record | Skipped], base_per_own: float, mixed: Mixed
) -> AsyncIterator[Record | Skipped]:
    """Yield all of one's own records and, spread between them, `base_per_own` of the base set for each.

    Counts are kept in `mixed`: a base set that ends too early makes its share smaller than asked for. What neither can
    use is passed on.
    """
    async for item in own:
        yield item
        if isinstance(item, Skipped):
            continue
        mixed.own += 1
        while mixed.base + 1 <= mixed.own * base_per_own + 1e-9:
            more = await anext(base, None)
            if more is None:
                break
            mixed.base += isinstance(more, Record)
            yield more


async def streamed(items: Iterable[Record | Skipped]) -> AsyncIterator[Record | Skipped]:
    """Yield what a file's reader yields, so that all sources can be read alike."""
    for item in items:
        yield item
