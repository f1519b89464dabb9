"""The whole road in one command: collect, build, criteria, judge check, GRPO, evaluation, register, canary, activate.

Every step is one of the single commands, run as a child process, so that what this does can be done by hand. A step is
passed over when it was done with the same inputs and its result is still good; which input changed is said. A step that
was cut off, by whatever, is begun again in the same directory, which is named after its inputs, and goes on there.

Guarantees: nothing is trained on what somebody took back (the export is made anew when anything changed that people
hold, and training asks the ledger once more); a policy that was stopped or rolled back is not put forward again by the
same inputs; whatever goes live went through the gates of `attune policies`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from training.errors import ConfigError
from training.retraining.collect import Held, held
from training.retraining.config import RetrainConfig
from training.retraining.journal import Entry, Inputs, Journal, digest
from training.retraining.road import Road
from training.retraining.step import NotYetError, Step
from training.retraining.steps import STEPS

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one step."""

    step: Step
    why: str
    """Why it is done, or why not."""
    runs: bool
    seconds: float = 0.0
    """What it took, of a step that was done."""


@dataclass(frozen=True, slots=True)
class Retrained:
    """What one call did."""

    decisions: tuple[Decision, ...]
    waits: str
    """What the road waits for; empty where it is at its end."""
    road: Road


def plan(config: RetrainConfig, say: Say = lambda _line: None) -> tuple[list[Decision], Road]:
    """Return what would be done, and do nothing.

    Raises:
        TrainingError, AttuneError, MemoryLayerError: a configuration or the ledger cannot be read.
    """
    road = Road.open(config, Journal.open(config.work / "journal.json"), say)
    road.held = _collected(road)
    decisions: list[Decision] = []
    again: set[str] = set()
    for step in STEPS:
        first = next((name for name in step.after if name in again), None)
        because = Decision(step, f"because {first} is done", True)
        decision = because if first and step.wanted(road) else _decide(step, road)[0]
        if decision.runs:
            again.add(step.name)
        decisions.append(decision)
    return decisions, road


def retrain(config: RetrainConfig, *, until: str | None = None, say: Say = lambda _line: None) -> Retrained:
    """Walk the road to its end, or to the end of step `until`.

    Raises:
        TrainingError: a step failed; the message says which, why, and where its log is. What was done stays done.
        AttuneError, MemoryLayerError: the ledger or the backend's configuration cannot be used.
    """
    with _alone(config.work):
        road = Road.open(config, Journal.open(config.work / "journal.json"), say)
        settled = _settle(road)
        road.held = _collected(road)
        decisions: list[Decision] = []
        waits = ""
        for step in STEPS:
            decision, inputs = _decide(step, road)
            if settled is not None and step is settled.step and not decision.runs:
                decisions.append(settled)
                break
            say(f"{step.name}: {decision.why}")
            if decision.runs:
                try:
                    decision = _do(decision, inputs, road)
                except NotYetError as reason:
                    waits = str(reason)
                    say(f"{step.name} waits: {waits}")
                    break
            decisions.append(decision)
            if step.name == until:
                break
    return Retrained(tuple(decisions), waits, road)


def _settle(road: Road) -> Decision | None:
    """Let the canary of the round before answer everybody if it may by now, before anything newer takes its place."""
    last = STEPS[-1]
    if "canary" not in road.journal.entries:
        return None
    decision, inputs = _decide(last, road)
    if decision.runs:
        with suppress(NotYetError):
            return _do(decision, inputs, road)
    return None


def _decide(step: Step, road: Road) -> tuple[Decision, Inputs]:
    if not step.wanted(road):
        return Decision(step, "the configuration asks for none", False), {}
    inputs = step.inputs(road)
    why = road.journal.why_again(step.name, inputs)
    if why is None:
        entry = road.journal.entries[step.name]
        gone = step.gone(road, entry.outputs)
        if gone is None:
            return Decision(step, f"same inputs as on {entry.at[:16]}: passed over", False), inputs
        why = gone
    return Decision(step, why, True), inputs


def _do(decision: Decision, inputs: Inputs, road: Road) -> Decision:
    step, started = decision.step, time.monotonic()
    outputs = step.do(road, digest(inputs)[:12])
    seconds = time.monotonic() - started
    at = datetime.now(UTC).isoformat(timespec="seconds")
    road.journal.note(step.name, Entry(dict(inputs), outputs, at, round(seconds, 1)))
    road.say(
        f"{step.name}: done in {seconds:.0f} s; " + ", ".join(f"{name} {value}" for name, value in outputs.items())
    )
    return Decision(step, decision.why, True, seconds)


def _collected(road: Road) -> Held | None:
    if not road.build.sources.ledger:
        return None
    found = road.with_ledger(held)
    road.say(f"collect: {len(found.people)} people agreed to training; {found.messages} messages, {found.facts} facts")
    return found


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    try:
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(work / "lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise ConfigError(f"another retraining works in {work}: wait for it, or give this one another `work`") from None
    except OSError as error:
        raise ConfigError(f"work: cannot write to {work} ({error.strerror or error}); choose a directory") from error
    try:
        yield
    finally:
        lock.release()
