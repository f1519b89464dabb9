"""Which rulers of its pools an example is measured with at one visit."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence

from training.errors import DatasetError
from training.example import CriteriaSet, Dimension


def draw(
    example_id: str, pools: Mapping[Dimension, Sequence[CriteriaSet]], rounds: int, visit: int, seed: int
) -> dict[str, tuple[CriteriaSet, ...]]:
    """Return `rounds` rulers of each pool: the same for every reply to the example in a visit, others in the next.

    Raises:
        DatasetError: a pool holds fewer.
    """
    drawn: dict[str, tuple[CriteriaSet, ...]] = {}
    for name, pool in sorted(pools.items()):
        if len(pool) < rounds:
            raise DatasetError(
                f"example {example_id} has {len(pool)} rulers for {name} and a step draws {rounds}; write more with"
                " `attune-train criteria`, or lower rounds"
            )
        digest = hashlib.sha256(f"{seed}|{visit}|{name}|{example_id}".encode()).digest()
        drawn[name] = tuple(random.Random(digest).sample(list(pool), rounds))
    return drawn
