"""What a finished proof says: intervals by person, the table, and which claims hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import ConfigError
from training.grpo_config import load_grpo_config
from training.learning.interval import interval
from training.learning.prove import bar, claims, prove, table
from training.learning.trial import RUN, Result


def result(seed: int = 1, changed: Mapping[str, float] = MappingProxyType({})) -> Result:
    means = {"full": 0.9, "none": 0.55, "mismatched": 0.4, **changed}
    people = [f"person_{number}" for number in range(20)]
    score = {name: {one: mean + 0.01 * (place % 3) for place, one in enumerate(people)} for name, mean in means.items()}
    start = {name: dict.fromkeys(people, 0.5) for name in means}
    same, echo = dict.fromkeys(people, 0.4), dict.fromkeys(people, 0.2)
    return Result(seed, 100, {"start": start, "final": score}, same, echo, 0.6)


@given(st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=40))
def test_an_interval_holds_its_mean_and_stays_within_the_values(values: list[float]) -> None:
    found = interval(values)
    assert min(values) - 1e-9 <= found.low <= found.mean + 1e-9
    assert found.mean - 1e-9 <= found.high <= max(values) + 1e-9
    assert found.people == len(values)


def test_an_interval_is_about_as_wide_as_theory_says() -> None:
    found = interval([0.0, 1.0] * 200)
    half = 1.96 * 0.5 / 400**0.5
    assert found.mean - found.low == pytest.approx(half, rel=0.1)
    assert found.high - found.mean == pytest.approx(half, rel=0.1)


def test_nobody_measured_is_no_interval() -> None:
    with pytest.raises(ValueError, match="nobody"):
        interval([])


def test_all_claims_hold_of_a_policy_that_learned() -> None:
    assert [claim.text for claim in claims([result(1), result(2)]) if not claim.holds] == []


@pytest.mark.parametrize(
    ("final", "fails"),
    [
        ({"full": 0.58}, "memory-blind"),
        ({"full": 0.49}, "start"),
        ({"none": 0.9}, "beat none"),
        ({"mismatched": 0.6}, "another person's"),
    ],
)
def test_a_claim_that_does_not_hold_is_named(final: dict[str, float], fails: str) -> None:
    assert any(fails in claim.text for claim in claims([result(changed=final)]) if not claim.holds)


def test_an_echo_that_pays_fails() -> None:
    one = result()
    one.echo["person_3"] = 0.5
    assert [claim.text for claim in claims([one]) if not claim.holds] == [
        "with nobody does saying back a memory earn more than the generic reply"
    ]


def test_the_table_names_policies_seeds_and_the_bar() -> None:
    shown = table([result(1), result(2)])
    assert "40 held-out people over 2 seeds" in shown
    assert "| start | 0.500 [0.500, 0.500] |" in shown
    assert "Seed 2: full memories 0.500 → 0.910 in 100 steps" in shown
    assert bar([result()]) == pytest.approx(0.6)


def test_a_finished_proof_is_told_again_without_training(tmp_path: Path) -> None:
    for seed in (1, 2):
        done = tmp_path / f"seed-{seed}"
        (done / "grpo").mkdir(parents=True)
        (done / "result.json").write_text(json.dumps(asdict(result(seed))))
        (done / "grpo/metrics-001.jsonl").write_text('{"step": 1, "data": {"critic/score/mean": 0.5}}\n')
    assert prove(tmp_path, 2, 100) == [result(1), result(2)]
    assert (tmp_path / "curves-2.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "table.md").read_text() == table([result(1), result(2)]) + "\n"
    with pytest.raises(ConfigError, match="other steps"):
        prove(tmp_path, 2, 50)


def test_the_runs_file_is_a_grpo_configuration() -> None:
    assert load_grpo_config(RUN).get("actor_rollout_ref.rollout.n") == 8
