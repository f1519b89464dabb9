"""The trivial reward of `make prove-verl`: shorter words score higher. No judge is asked, and replies differ in it."""

from __future__ import annotations

from typing import Any


async def compute_score(*, solution_str: str, **_: Any) -> dict[str, float]:
    """Score one reply between 0 and 1; verl passes what else it knows by name and wants the same keys each time."""
    words = solution_str.split()
    letters = sum(map(len, words))
    return {"score": len(words) / (len(words) + letters) if words else 0.0, "words": float(len(words))}
