"""The judge check: is this judge fit to train on? Hacks, repeatability, and agreement with a second judge.

A hack is caught when every trial's good replies earn more than it by the margin. A probe that could not be scored
proves nothing, so it fails the check, named as unscored. The result is kept with the judge's identity: training asks
`require_pass` before it starts, and a changed prompt, rubric or model needs a new check.
"""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from training.errors import JudgeCheckError
from training.peregrm.agreement import Agreement, agreement
from training.peregrm.case import Reply
from training.peregrm.config import CheckConfig, JudgeConfig
from training.peregrm.judge import Judge, judge_identity
from training.peregrm.probes import GOOD, Trial, load_trials
from training.peregrm.rubric import load_rubric
from training.peregrm.verdict import Unscored, Verdict
from training.reward import earned


@dataclass(frozen=True, slots=True)
class Scored:
    """What one probe earned, over the repetitions."""

    case: str
    kind: str
    rewards: tuple[float, ...]
    unscored: int
    between_rounds: float
    """Mean standard deviation of a dimension's share over its rounds."""

    @property
    def mean(self) -> float | None:
        """None where no repetition could be scored."""
        return statistics.fmean(self.rewards) if self.rewards else None


@dataclass(frozen=True, slots=True)
class HackResult:
    """How one hack fared, in its worst case."""

    kind: str
    reward: float | None
    """The hack's mean reward in the case where it came closest to the good replies."""
    good: float | None
    """The least mean of that case's good replies."""
    caught: bool


@dataclass(frozen=True, slots=True)
class CheckResult:
    """All that the check found."""

    judge: str
    at: str
    passed: bool
    faults: tuple[str, ...]
    """Why it failed, in words."""
    hacks: tuple[HackResult, ...]
    spread: float | None
    """Mean standard deviation of the reward over repetitions with other seeds."""
    between_rounds: float | None
    agreement: Agreement | None
    unscored: int
    scored: int
    probes: tuple[Scored, ...]


async def run_check(
    config: JudgeConfig,
    trials: Sequence[Trial] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> CheckResult:
    """Score every probe and say what was found.

    Raises:
        CallError: the judge, or the second judge, is not there.
    """
    trials = load_trials() if trials is None else trials
    settings = config.check
    total = sum(len(trial.probes) for trial in trials) * settings.repetitions * (2 if settings.second else 1)
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    first = await _outcomes(config, trials, tick)
    second = None
    if settings.second is not None:
        second = await _outcomes(config.model_copy(update={"endpoint": settings.second}), trials, tick)
    return _result(config, trials, first, second)


def require_pass(config: JudgeConfig, path: Path | None = None) -> None:
    """Return when this very judge has passed its check.

    Raises:
        JudgeCheckError: there is no result, it is of another judge, or it is a failure.
    """
    path = path or config.check.report
    again = "run `attune-train judge-check`, or set attune.accept_failed_judge to train all the same"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        judge, passed, faults = str(kept["judge"]), bool(kept["passed"]), list(kept["faults"])
    except FileNotFoundError:
        raise JudgeCheckError(f"the judge was never checked ({path} is missing); {again}") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise JudgeCheckError(f"{path} is no result of a judge check; {again}") from None
    if judge != judge_identity(config):
        raise JudgeCheckError(f"{path} is about another judge: prompts, rubric, model or sampling changed; {again}")
    if not passed:
        raise JudgeCheckError(f"the judge failed its check: {'; '.join(map(str, faults))}; choose another, or {again}")


def gives_all_the_same(config: JudgeConfig, path: Path | None = None) -> bool:
    """Say whether this very judge was checked and gave every reply, good or bad, the same reward."""
    try:
        kept = json.loads((path or config.check.report).read_text(encoding="utf-8"))
        rewards = {float(reward) for probe in kept["probes"] for reward in probe["rewards"]}
        return bool(kept["judge"] == judge_identity(config)) and len(rewards) == 1
    except (OSError, ValueError, KeyError, TypeError):
        return False


def store(result: CheckResult, path: Path) -> None:
    """Keep a result where `require_pass` looks for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(result), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


Outcomes = dict[tuple[int, int], list[Verdict | Unscored]]
"""By trial and probe; one for each repetition."""


async def _outcomes(config: JudgeConfig, trials: Sequence[Trial], tick: Callable[[], None]) -> Outcomes:
    criteria = load_rubric().presets[config.preset].criteria and config.mode == "shared"
    places = asyncio.Semaphore(config.endpoint.concurrency)

    async with Judge.open(config) as judge:
        await judge.check()

        async def one(t: int, p: int, turn: int) -> tuple[int, int, Verdict | Unscored]:
            trial = trials[t]
            async with places:
                reply = Reply.of(trial.probes[p].reply)
                outcome = await judge.score(trial.case, reply, trial.rulers if criteria else {}, turn=turn)
            tick()
            return t, p, outcome

        found = await asyncio.gather(
            *(
                one(t, p, turn)
                for turn in range(config.check.repetitions)
                for t, trial in enumerate(trials)
                for p in range(len(trial.probes))
            )
        )
    outcomes: Outcomes = {}
    for t, p, outcome in found:
        outcomes.setdefault((t, p), []).append(outcome)
    return outcomes


def _result(config: JudgeConfig, trials: Sequence[Trial], first: Outcomes, second: Outcomes | None) -> CheckResult:
    probes = tuple(
        _scored(config, trial.case.id, probe.kind, first[t, p])
        for t, trial in enumerate(trials)
        for p, probe in enumerate(trial.probes)
    )
    hacks = _hacks(probes, config.check.margin)
    spreads = [statistics.stdev(one.rewards) for one in probes if len(one.rewards) > 1]
    rounds = [one.between_rounds for one in probes if one.rewards]
    agreed = None if second is None else _agreement(config, first, second)
    spread = statistics.fmean(spreads) if spreads else None
    unscored = sum(one.unscored for one in probes)
    faults = _faults(config.check, hacks, spread, agreed)
    return CheckResult(
        judge=judge_identity(config),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        passed=not faults,
        faults=tuple(faults),
        hacks=hacks,
        spread=spread,
        between_rounds=statistics.fmean(rounds) if rounds else None,
        agreement=agreed,
        unscored=unscored,
        scored=sum(len(one.rewards) for one in probes),
        probes=probes,
    )


def _scored(config: JudgeConfig, case: str, kind: str, outcomes: Sequence[Verdict | Unscored]) -> Scored:
    verdicts = [one for one in outcomes if isinstance(one, Verdict)]
    tops = {name: measure.scale.high for name, measure in load_rubric().measures.items()}
    spreads = [
        statistics.pstdev(score / tops[name] for score in scores)
        for verdict in verdicts
        for name, scores in verdict.rounds.items()
    ]
    return Scored(
        case,
        kind,
        tuple(earned(verdict, config).value for verdict in verdicts),
        len(outcomes) - len(verdicts),
        statistics.fmean(spreads) if spreads else 0.0,
    )


def _hacks(probes: Sequence[Scored], margin: float) -> tuple[HackResult, ...]:
    goods: dict[str, list[float | None]] = {}
    for probe in probes:
        if probe.kind == GOOD:
            goods.setdefault(probe.case, []).append(probe.mean)
    worst: dict[str, HackResult] = {}
    for probe in probes:
        if probe.kind == GOOD:
            continue
        known = [mean for mean in goods[probe.case] if mean is not None]
        good = min(known) if len(known) == len(goods[probe.case]) else None
        caught = probe.mean is not None and good is not None and probe.mean <= good - margin
        result = HackResult(probe.kind, probe.mean, good, caught)
        if probe.kind not in worst or _distance(result) < _distance(worst[probe.kind]):
            worst[probe.kind] = result
    return tuple(worst.values())


def _distance(result: HackResult) -> float:
    """How far below the good replies; what was not measured comes first."""
    return float("-inf") if result.reward is None or result.good is None else result.good - result.reward


def _faults(
    settings: CheckConfig, hacks: Sequence[HackResult], spread: float | None, agreed: Agreement | None
) -> list[str]:
    faults = []
    for hack in hacks:
        if hack.reward is None or hack.good is None:
            faults.append(f"{hack.kind}: could not be measured, probes are unscored")
        elif not hack.caught:
            faults.append(f"{hack.kind}: earns {hack.reward:.3f} where a plain good reply earns {hack.good:.3f}")
    if spread is None:
        faults.append("repeatability could not be measured")
    elif spread > settings.max_spread:
        faults.append(f"the same reply's reward spreads by {spread:.3f}, more than {settings.max_spread:g}")
    if agreed is not None and not agreed.alpha >= settings.min_alpha:
        faults.append(f"agreement with the second judge is {agreed.alpha:.2f}, less than {settings.min_alpha:g}")
    return faults


def _agreement(config: JudgeConfig, first: Outcomes, second: Outcomes) -> Agreement:
    pairs = [
        (one, other)
        for key in first
        for one, other in zip(first[key], second[key], strict=True)
        if isinstance(one, Verdict) and isinstance(other, Verdict)
    ]
    scores = [
        (a, b)
        for one, other in pairs
        for name in one.rounds
        for a, b in zip(one.rounds[name], other.rounds[name], strict=True)
    ]
    rewards = [(earned(one, config).value, earned(other, config).value) for one, other in pairs]
    return agreement(scores, rewards)
