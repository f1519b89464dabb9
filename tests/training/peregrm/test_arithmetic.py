from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.peregrm.arithmetic import Reward, harmonic, reward, share

TOPS = {"resonation": 5.0, "expression": 5.0, "reception": 5.0}

# Worked by hand: the scores of three dimensions (K rounds each), the bystander's five, λ, and the reward as a fraction.
WORKED = [
    # one round, all 5, 100 of 100: 3 / (1 + 1 + 1) + 0
    (((5,), (5,), (5,)), (20, 20, 20, 20, 20), 0.5, 1.0),
    # all 1: 3 / (5 + 5 + 5) = 1/5; nought of 100: 1/5 - 1/2
    (((1,), (1,), (1,)), (0, 0, 0, 0, 0), 0.5, -0.3),
    # 4, 4, 2: shares 4/5, 4/5, 2/5; 3 / (5/4 + 5/4 + 5/2) = 3/5; 80 of 100: -1/5 · 1/2
    (((4,), (4,), (2,)), (16, 16, 16, 16, 16), 0.5, 0.5),
    # 5, 3, 1: 3 / (1 + 5/3 + 5) = 9/23; 60 of 100: -2/5 · 1/2
    (((5,), (3,), (1,)), (12, 12, 12, 12, 12), 0.5, 9 / 23 - 0.2),
    # two rounds, the mean before the harmonic mean: (4+2)/10 = 3/5, 4/5, 1: 3 / (5/3 + 5/4 + 1) = 36/47
    (((4, 2), (4, 4), (5, 5)), (20, 20, 20, 20, 20), 0.5, 36 / 47),
    # four rounds: 11/20, 15/20, 12/20: 3 / (20/11 + 4/3 + 5/3) = 99/159; 73 of 100
    (((3, 2, 4, 2), (4, 4, 3, 4), (3, 3, 3, 3)), (15, 14, 16, 13, 15), 0.5, 99 / 159 - 0.135),
    # a dimension at nought takes all of the empathy
    (((0,), (5,), (5,)), (20, 20, 20, 20, 20), 0.5, 0.0),
    # a score above the top counts as the top, and so does a sum above 100
    (((6,), (5,), (5,)), (25, 25, 25, 25, 25), 0.5, 1.0),
    # λ = 0 leaves the empathy alone, λ = 1 takes the whole penalty
    (((4,), (4,), (2,)), (10, 10, 10, 10, 10), 0.0, 0.6),
    (((4,), (4,), (2,)), (10, 10, 10, 10, 10), 1.0, 0.1),
    # no bystander, no penalty
    (((4,), (4,), (2,)), None, 0.5, 0.6),
]


@pytest.mark.parametrize(("scores", "bystander", "penalty", "expected"), WORKED)
def test_the_reward_is_the_papers(
    scores: tuple[tuple[int, ...], ...], bystander: tuple[int, ...] | None, penalty: float, expected: float
) -> None:
    rounds = dict(zip(TOPS, scores, strict=True))
    found = reward(rounds, TOPS, bystander, combine="harmonic", penalty=penalty)
    assert math.isclose(found.value, expected, abs_tol=1e-9)


def test_profile_and_response_are_added() -> None:
    found = reward(
        {"profile": (0.75,), "response": (1, 0)}, {"profile": 1, "response": 1}, None, combine="sum", penalty=0
    )
    assert found == Reward(1.25, 1.25, 0.0, {"profile": 0.75, "response": 0.5})


def test_a_dimension_without_a_score_is_an_error() -> None:
    with pytest.raises(ValueError, match="no score"):
        share([], 5)


shares = st.floats(0.01, 1)


@given(st.lists(shares, min_size=1, max_size=5))
def test_the_harmonic_mean_lies_between_the_least_and_the_arithmetic_mean(values: list[float]) -> None:
    mean = sum(values) / len(values)
    assert min(values) - 1e-9 <= harmonic(values) <= mean + 1e-9


@given(st.lists(st.integers(1, 5), min_size=3, max_size=3), st.lists(st.integers(0, 20), min_size=5, max_size=5))
def test_a_reward_stays_in_its_range_and_a_bystander_never_raises_it(scores: list[int], five: list[int]) -> None:
    rounds = {name: (score,) for name, score in zip(TOPS, scores, strict=True)}
    with_penalty = reward(rounds, TOPS, five, combine="harmonic", penalty=0.5)
    without = reward(rounds, TOPS, None, combine="harmonic", penalty=0.5)
    assert -0.3 - 1e-9 <= with_penalty.value <= without.value <= 1 + 1e-9
