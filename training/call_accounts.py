"""What the calls of each stage cost: how many, how many tokens and seconds, and what failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Account:
    """The calls under one tag."""

    calls: int = 0
    """Answered, from the cache or the server; failed ones are in `failures` only."""
    cached: int = 0
    """Of these, answered from the cache."""
    retries: int = 0
    """Further tries, whatever came of them."""
    failures: Counter[str] = field(default_factory=Counter)
    """Calls that failed for good, by kind."""
    prompt_tokens: int = 0
    """As the server counted them, of answers that it gave now."""
    completion_tokens: int = 0
    cached_tokens: int = 0
    """Of the prompt tokens, those that the server took from its prefix cache, where it says so."""
    seconds: float = 0.0
    """Sum over the calls, waiting for a free place excluded."""

    @property
    def failed(self) -> int:
        """Calls that failed for good."""
        return self.failures.total()

    def as_dict(self) -> dict[str, Any]:
        """Return it for a report."""
        return {
            "calls": self.calls,
            "cached": self.cached,
            "retries": self.retries,
            "failures": dict(sorted(self.failures.items())),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cached_tokens": self.cached_tokens,
            "seconds": round(self.seconds, 3),
        }
