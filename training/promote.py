"""From a registered candidate to a canary: its reports, and the first steps, over the admin API.

`attune policies` and its API keep the gates; this fills in what they ask for. The evaluation report is what evaluation
wrote (`write_evaluation` gives it its form), the safety report is made here. Going live stays with the operator, or
with whoever calls `activate` after the canary has answered enough.

The form of an evaluation report (`attune-evaluation/1`), as JSON:

    {"format": "attune-evaluation/1",
     "policy_sha256": "…",             the hash of the files measured, as `attune policies show` says it
     "baseline": "p6",                 the version it was compared with: the live one, or "configured"
     "scored": 412, "unscored": 3,     pairs of replies to the same question
     "scale": [0, 1],                  the worst and the best score there can be
     "difference": {"mean": 0.031, "low": 0.012, "high": 0.050, "confidence": 0.95},
     "dimensions": {"resonation": {"mean": …, "low": …, "high": …}, …},
     "data_manifest": "…", "judge": "…", "split": "test"}

`difference` is candidate less baseline, paired by question; its interval is over people, because the questions of one
person are not independent. More fields are kept and shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from assistant.errors import AttuneError
from assistant.remote import Remote, envelope_error
from assistant.rollout.reports import EvaluationReport, Interval, SafetyReport
from training.errors import TrainingError
from training.safety_gate import CASES, Candidate, run

_PATH = "/v1/admin/policies"


class PromotionError(TrainingError):
    """The backend refused a step; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """What became of a candidate."""

    stage: str
    safety: SafetyReport
    closed: tuple[str, ...]
    """The gates that are still closed, with their reasons."""


def write_evaluation(path: Path, report: EvaluationReport) -> None:
    """Write an evaluation report in the form that the gate reads."""
    path.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")


def evaluation_report(
    *,
    policy_sha256: str,
    baseline: str,
    difference: Interval,
    scored: int,
    unscored: int,
    scale: tuple[float, float] = (0.0, 1.0),
    dimensions: dict[str, Interval] | None = None,
    **more: Any,
) -> EvaluationReport:
    """Make an evaluation report; `more` are further fields, those that the form names and others."""
    values = {"scored": scored, "unscored": unscored, "scale": scale, "dimensions": dimensions or {}, **more}
    return EvaluationReport.model_validate(
        {
            "format": "attune-evaluation/1",
            "policy_sha256": policy_sha256,
            "baseline": baseline,
            "difference": difference,
            **values,
        }
    )


def promote(
    backend: Remote,
    version: str,
    *,
    evaluation: Path | None = None,
    canary_percent: float | None = None,
    cases: Path = CASES,
    say: Callable[[str], None] = lambda _line: None,
    done: Callable[[int, int], None] = lambda _done, _of: None,
) -> Promotion:
    """Give a registered policy its reports and, if wanted and the safety gate is open, its canary.

    Raises:
        PromotionError: the backend knows no such policy or refuses a step.
        EngineError: the backend of the safety gate does not start.
    """
    with backend.client(600) as client:
        details = _asked(client, "GET", f"{_PATH}/{version}")["details"]
        reports: dict[str, Any] = {}
        if evaluation is not None:
            reports["evaluation"] = _read(evaluation)
        say(f"the safety gate: fixed conversations with {version} behind a backend of its own")
        safety = run(_candidate(details), cases=cases, done=done)
        reports["safety"] = safety.model_dump(mode="json")
        view = _asked(client, "PUT", f"{_PATH}/{version}/reports", reports)
        for failure in safety.failures:
            say(f"{failure.case}: {failure.reason}")
        if canary_percent is not None and safety.passed:
            view = _asked(client, "POST", f"{_PATH}/{version}/canary", {"percent": canary_percent})
    closed = tuple(f"{gate['gate']}: {gate['reason']}" for gate in view["closed_gates"])
    return Promotion(str(view["stage"]), safety, closed)


def activate(backend: Remote, version: str) -> None:
    """Let a policy answer everybody.

    Raises:
        PromotionError: a gate is closed; the message names each with its reason.
    """
    with backend.client(600) as client:
        _asked(client, "POST", f"{_PATH}/{version}/activate")


def _candidate(details: dict[str, Any]) -> Candidate:
    return Candidate(
        details["replicas"][0],
        details["served_name"],
        details["sha256"],
        details["preset"],
        details["context_tokens"] or 8192,
    )


def _asked(client: httpx.Client, method: str, path: str, body: Any = None) -> dict[str, Any]:
    try:
        answer = client.request(method, path, json=body)
        if answer.status_code >= 400:
            raise envelope_error(answer)
        found: dict[str, Any] = answer.json()
    except (AttuneError, httpx.HTTPError) as error:
        raise PromotionError(f"{method} {path}: {error}") from error
    return found


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PromotionError(f"cannot read the evaluation report {path}: {error}") from error
