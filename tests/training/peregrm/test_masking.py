from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.peregrm.masking import Rollout, TooManyUnscoredError, Watch, figures, keep

SCORED = {"score": 0.5, "unscored": 0.0, "resonation": 0.6}
UNSCORED = {"score": math.nan, "unscored": 1.0, "resonation": math.nan}


def batch(*groups: str) -> list[Rollout]:
    """`batch("ss-", "s-")`: two groups; `s` is scored, `-` is not, `x` has no reward at all."""
    what = {"s": SCORED, "-": UNSCORED, "x": {}}
    return [Rollout(f"g{g}_{n}_0", f"g{g}", what[one]) for g, group in enumerate(groups) for n, one in enumerate(group)]


def test_an_unscored_rollout_leaves_and_its_group_goes_on() -> None:
    kept = keep(batch("ss-s", "x-ss"))
    assert kept.dropped == ("g0_2_0", "g1_0_0", "g1_1_0")
    assert (len(kept.keys), kept.unscored, kept.alone) == (5, 3, 0)


def test_the_only_scored_rollout_of_a_group_leaves_too_for_grpo_would_take_its_raw_score_for_an_advantage() -> None:
    kept = keep(batch("s--", "ss"))
    assert kept.keys == ("g1_0_0", "g1_1_0")
    assert (kept.unscored, kept.alone) == (2, 1)
    assert keep(batch("s--"), smallest_group=1).keys == ("g0_0_0",)


@given(st.lists(st.text("s-x", min_size=1, max_size=6), max_size=6))
def test_every_rollout_is_kept_or_dropped_and_nothing_unscored_is_kept(groups: list[str]) -> None:
    rollouts = batch(*groups)
    kept = keep(rollouts)
    assert sorted((*kept.keys, *kept.dropped)) == sorted(rollout.key for rollout in rollouts)
    assert len(kept.dropped) == kept.unscored + kept.alone
    assert all(rollout.is_scored for rollout in rollouts if rollout.key in kept.keys)


def test_a_score_that_is_no_number_is_unscored_whatever_its_flag_says() -> None:
    assert not Rollout("k", "g", {"score": math.nan, "unscored": 0.0}).is_scored
    assert not Rollout("k", "g", {"score": math.inf, "unscored": 0.0}).is_scored


def test_the_run_stops_when_more_of_the_newest_are_unscored_than_allowed() -> None:
    watch = Watch(0.25, 8)
    watch.see(batch("sss-", "ss-s"))
    assert watch.share == 0.25
    watch.see(batch("ssssssss"))
    assert watch.share == 0
    with pytest.raises(TooManyUnscoredError, match="3 of the newest 8"):
        watch.see(batch("---s"))


def test_the_log_counts_every_rollout_and_averages_the_scored_ones() -> None:
    rollouts = batch("ss-", "s-")
    found = figures(rollouts, keep(rollouts), 0.4)
    assert found["judge/rollouts_total"] == 5
    assert found["judge/unscored_total"] == 2
    assert found["judge/alone_total"] == 1
    assert found["judge/resonation/mean"] == pytest.approx(0.6)
    assert all(math.isfinite(value) for value in found.values())
    assert "judge/score/mean" not in figures(batch("--"), keep(batch("--")), 1.0)
