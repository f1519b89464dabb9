from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.config import PoliciesConfig
from assistant.rollout.gates import CLASSES_MS, closed, failing, health, time_class
from assistant.rollout.spec import PolicySpec, fingerprint
from memory.ledger.policy_turns import Turn
from tests.fakes import policies

GOOD: Mapping[Turn, int] = {("p2", "answered", 200): 60, ("p1", "answered", 200): 600}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return policies.adapter(tmp_path / "p2", "weights")


def measured(path: Path, **changes: Any) -> PolicySpec:
    reports = {"evaluation": policies.evaluation(path, "p1"), "safety": policies.safety(path)}
    given = {"sha256": fingerprint(path), **reports, **changes}
    return policies.spec("p2", path, "http://127.0.0.1:9/v1", **given)


def gates(spec: PolicySpec, counted: Mapping[Turn, int] = GOOD, *, is_canary: bool = True, **config: Any) -> list[str]:
    found = closed(spec, "p1", counted, PoliciesConfig(**config), is_canary=is_canary)
    return [f"{one.gate}: {one.reason}" for one in found]


def test_a_policy_that_showed_everything_may_go_live(path: Path) -> None:
    assert gates(measured(path)) == []


def test_a_policy_that_showed_nothing_hears_of_every_gate(path: Path) -> None:
    reasons = gates(measured(path, evaluation=None, safety=None), {}, is_canary=False)
    assert [reason.split(":")[0] for reason in reasons] == ["evaluation", "safety", "canary"]
    assert "attune-train evaluate" in reasons[0]
    assert "attune policies canary p2 5%" in reasons[2]
    assert gates(measured(path, evaluation=None, safety=None), {}, is_canary=False, gates=()) == []


def test_the_interval_decides_and_not_the_mean(path: Path) -> None:
    noisy = policies.evaluation(path, "p1", low=-0.05, mean=0.08, high=0.2)
    assert ["it may lose" in reason for reason in gates(measured(path, evaluation=noisy))] == [True]
    tie = policies.evaluation(path, "p1", low=-0.01, mean=0.0, high=0.01)
    assert gates(measured(path, evaluation=tie)) == []
    wide = {**policies.evaluation(path, "p1", low=-0.1, mean=0.0, high=0.1), "scale": [0, 10]}
    assert gates(measured(path, evaluation=wide)) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"baseline": "p0"}, "compared with 'p0', but 'p1' is live"),
        ({"policy_sha256": "0" * 64}, "other files"),
        ({"scored": 5}, "too few"),
        ({"unscored": 40}, "have no score"),
    ],
)
def test_an_evaluation_of_something_else_or_of_too_little_opens_nothing(
    path: Path, change: dict[str, Any], reason: str
) -> None:
    [found] = gates(measured(path, evaluation={**policies.evaluation(path, "p1"), **change}))
    assert reason in found


def test_one_failed_safety_case_keeps_the_gate_closed_and_is_named(path: Path) -> None:
    [found] = gates(measured(path, safety=policies.safety(path, "imminent-en-1")))
    assert "1 of 20 cases failed (imminent-en-1" in found
    assert len(gates(measured(path, safety={**policies.safety(path), "cases": 0}))) == 1


def test_a_canary_must_have_answered_enough(path: Path) -> None:
    [found] = gates(measured(path), {("p2", "answered", 200): 49})
    assert found == "canary: it answered 49 turns; 50 are needed"


@pytest.mark.parametrize(
    ("counted", "holds"),
    [
        ({("p2", "failed", 100): 2, ("p2", "answered", 100): 1}, True),
        ({("p2", "failed", 100): 3}, False),
        ({("p2", "failed", 100): 3, ("p2", "answered", 100): 197}, True),
        ({("p2", "failed", 100): 12, ("p2", "answered", 100): 188}, False),
        ({("p2", "failed", 100): 12, ("p2", "answered", 100): 188, ("p1", "failed", 100): 1}, True),
        ({("p2", "answered", 800): 50, ("p1", "answered", 200): 500}, False),
        ({("p2", "answered", 400): 50, ("p1", "answered", 200): 500}, True),
        ({("p2", "answered", 800): 10, ("p1", "answered", 200): 500}, True),
        ({("p2", "answered", 800): 4, ("p2", "answered", 200): 46, ("p1", "answered", 200): 500}, True),
    ],
)
def test_a_canary_fails_when_errors_or_waiting_are_clearly_worse(counted: dict[Turn, int], holds: bool) -> None:
    mine, others = health(counted, "p2")
    assert (failing(mine, others, PoliciesConfig()) is None) == holds


@given(milliseconds=st.floats(min_value=0, max_value=CLASSES_MS[-1]))
def test_a_time_lies_within_its_class(milliseconds: float) -> None:
    end = time_class(milliseconds)
    assert milliseconds <= end
    assert end == CLASSES_MS[0] or milliseconds > end / 2


@given(failed=st.integers(0, 50), answered=st.integers(0, 500), more=st.integers(1, 50))
def test_more_errors_never_save_a_canary(failed: int, answered: int, more: int) -> None:
    def fails(errors: int) -> bool:
        counted: dict[Turn, int] = {("p2", "failed", 100): errors, ("p2", "answered", 100): answered}
        return failing(*health(counted, "p2"), PoliciesConfig()) is not None

    assert not fails(failed) or fails(failed + more)
