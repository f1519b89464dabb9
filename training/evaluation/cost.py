"""What asking took, as the server counted it, for a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from training.call_accounts import Account
from training.calls import Answer
from training.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Cost:
    """What some calls took."""

    calls: int = 0
    cached: int = 0
    """Of these, answered from the cache of answers."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    """Sum over the calls."""
    price: float = 0.0
    """In the currency of the endpoint's prices."""

    def __sub__(self, earlier: Cost) -> Cost:
        """What was added since `earlier`."""
        return Cost(*(now - then for now, then in zip(astuple(self), astuple(earlier), strict=True)))


def given(answers: Sequence[Answer], endpoint: Endpoint) -> Cost:
    """What answers took when they were asked for, those from the cache too."""
    prompt, completion = sum(one.prompt_tokens for one in answers), sum(one.completion_tokens for one in answers)
    cached, seconds = sum(one.from_cache for one in answers), sum(one.seconds for one in answers)
    return Cost(len(answers), cached, prompt, completion, seconds, _price(prompt, completion, endpoint))


def spent(accounts: Mapping[str, Account], endpoint: Endpoint) -> Cost:
    """What calls have taken in this run: an answer from the cache takes nothing again."""
    found = accounts.values()
    prompt, completion = sum(one.prompt_tokens for one in found), sum(one.completion_tokens for one in found)
    calls, cached = sum(one.calls for one in found), sum(one.cached for one in found)
    return Cost(
        calls, cached, prompt, completion, sum(one.seconds for one in found), _price(prompt, completion, endpoint)
    )


def _price(prompt: int, completion: int, endpoint: Endpoint) -> float:
    return (prompt * endpoint.price_per_million_prompt + completion * endpoint.price_per_million_completion) / 1e6
