"""May this policy answer everybody? Three gates, each open or closed with its reason. Pure.

- Evaluation: on held-out people it does not lose. The interval decides, not the mean: its lower end may lie below zero
  by the margin at most, so that a small or noisy evaluation keeps the gate closed.
- Safety: the fixed prompt set went as it must.
- Canary: it answered enough turns beside what is live, with no more errors and no slower.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.config import PoliciesConfig
from assistant.rollout.reports import EvaluationReport, SafetyReport
from assistant.rollout.spec import PolicySpec
from memory.ledger.policy_turns import Turn

CLASSES_MS: tuple[int, ...] = (100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 102400)
"""The upper ends of the classes that times to the first token are counted in; each is twice the one before."""

Gate = Literal["evaluation", "safety", "canary"]
_Z = 1.96
_FEWEST_ERRORS = 3
"""Fewer are an accident, whatever their share."""
_FEWEST_TIMED = 20


@dataclass(frozen=True, slots=True)
class Closed:
    """A gate that does not open, and why."""

    gate: Gate
    reason: str


@dataclass(frozen=True, slots=True)
class Health:
    """How the turns of one side went."""

    answered: int = 0
    failed: int = 0
    slow_ms: int | None = None
    """Nine of ten first tokens came within this; None below the number of turns that tells."""

    @property
    def turns(self) -> int:
        """All of them."""
        return self.answered + self.failed

    @property
    def error_rate(self) -> float:
        """The share that failed."""
        return self.failed / self.turns if self.turns else 0.0


def time_class(milliseconds: float) -> int:
    """The class that a time to the first token is counted in."""
    return next((end for end in CLASSES_MS if milliseconds <= end), CLASSES_MS[-1])


def health(counted: Mapping[Turn, int], version: str) -> tuple[Health, Health]:
    """How a version did, and all others together."""
    mine = {turn: number for turn, number in counted.items() if turn[0] == version}
    others = {turn: number for turn, number in counted.items() if turn[0] != version}
    return _health(mine), _health(others)


def failing(canary: Health, others: Health, config: PoliciesConfig) -> str | None:
    """Say why a canary must stop answering at once; None while it holds.

    Errors: the lower end of the rate's 95 % interval lies above what is allowed, which is the configured rate or that
    of the others, whichever is more. Time: the class that nine of ten first tokens came within lies above the
    configured multiple of the others'.
    """
    allowed = max(config.canary_error_rate, others.error_rate)
    if canary.failed >= _FEWEST_ERRORS and _lower_end(canary.failed, canary.turns) > allowed:
        return f"{canary.failed} of {canary.turns} turns failed; {allowed:.1%} are allowed"
    if canary.slow_ms is None or others.slow_ms is None or canary.slow_ms <= others.slow_ms * config.canary_slower:
        return None
    return f"nine of ten first tokens took up to {canary.slow_ms} ms; the others' {others.slow_ms} ms"


def closed(
    spec: PolicySpec, live: str, counted: Mapping[Turn, int], config: PoliciesConfig, *, is_canary: bool
) -> list[Closed]:
    """Return the gates that keep a policy from going live in place of `live`; none means it may."""
    checks = {
        "evaluation": lambda: _evaluation(spec.evaluation, spec.sha256, live, config),
        "safety": lambda: _safety(spec.safety, spec.sha256),
        "canary": lambda: _canary(spec.version, counted, config, is_canary=is_canary),
    }
    found: list[Closed] = []
    for gate in config.gates:
        reason = checks[gate]()
        if reason is not None:
            found.append(Closed(gate, reason))
    return found


def _evaluation(report: EvaluationReport | None, sha256: str | None, live: str, config: PoliciesConfig) -> str | None:
    if report is None:
        return "there is no evaluation report: run attune-train evaluate, then attune policies report"
    if sha256 is None or report.policy_sha256 != sha256:
        return "the report was made of other files than this policy's"
    if report.baseline != live:
        return f"it was compared with {report.baseline!r}, but {live!r} is live: evaluate it against that"
    pairs = report.scored + report.unscored
    if report.scored < config.evaluation_pairs:
        return f"{report.scored} scored pairs are too few; {config.evaluation_pairs} are needed"
    if report.unscored > config.evaluation_unscored * pairs:
        return f"{report.unscored} of {pairs} pairs have no score; at most {config.evaluation_unscored:.0%} may"
    margin = config.evaluation_margin * (report.scale[1] - report.scale[0])
    difference = report.difference
    if difference.low < -margin:
        return (
            f"it may lose: difference {difference.mean:+.3f} with {difference.confidence:.0%} interval "
            f"[{difference.low:+.3f}, {difference.high:+.3f}], whose lower end must not lie below {-margin:+.3f}"
        )
    return None


def _safety(report: SafetyReport | None, sha256: str | None) -> str | None:
    if report is None:
        return "there is no safety report: run attune-train promote, which makes it"
    if sha256 is None or report.policy_sha256 != sha256:
        return "the report was made of other files than this policy's"
    if report.passed:
        return None
    if not report.cases:
        return "the report holds no cases"
    shown = "; ".join(f"{failure.case}: {failure.reason}" for failure in report.failures[:3])
    return f"{len(report.failures)} of {report.cases} cases failed ({shown})"


def _canary(version: str, counted: Mapping[Turn, int], config: PoliciesConfig, *, is_canary: bool) -> str | None:
    if not is_canary:
        return f"it is no canary: attune policies canary {version} 5%"
    mine, others = health(counted, version)
    if mine.turns < config.canary_turns:
        return f"it answered {mine.turns} turns; {config.canary_turns} are needed"
    return failing(mine, others, config)


def _health(counted: Mapping[Turn, int]) -> Health:
    answered = sum(number for (_, outcome, _), number in counted.items() if outcome == "answered")
    failed = sum(number for (_, outcome, _), number in counted.items() if outcome == "failed")
    times = sorted((end, number) for (_, outcome, end), number in counted.items() if outcome == "answered")
    return Health(answered, failed, _ninetieth(times) if answered >= _FEWEST_TIMED else None)


def _ninetieth(times: Sequence[tuple[int, int]]) -> int:
    left = math.ceil(0.9 * sum(number for _, number in times))
    for end, number in times:
        left -= number
        if left <= 0:
            return end
    return times[-1][0]


def _lower_end(failed: int, turns: int) -> float:
    """The lower end of Wilson's 95 % interval of a rate."""
    rate, z2 = failed / turns, _Z * _Z
    spread = _Z * math.sqrt(rate * (1 - rate) / turns + z2 / (4 * turns * turns))
    return (rate + z2 / (2 * turns) - spread) / (1 + z2 / turns)
