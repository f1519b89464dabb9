"""A verdict: the scores of one reply and the identity of what gave them; or that it is unscored, which is no score.

Verdicts of different judges, or under rulers of different writers, are never averaged or compared: whoever reduces
several asks `same_judge` first.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from training.errors import TrainingError

_BOX = re.compile(r"\\boxed\s*\{\s*([^{}]*?)\s*\}")


class UnreadableError(ValueError):
    """An answer holds no score on the scale; the message says what is missing and quotes nothing."""


class MixedJudgesError(TrainingError):
    """Scores that were measured differently are about to be put together."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One reply, scored."""

    judge: str
    """Hash of prompts, rubric, model, sampling and way of asking."""
    writer: str
    """Who wrote the rulers; empty where there were none."""
    rounds: Mapping[str, tuple[float, ...]]
    """The scores of each dimension, one for each round or ruler."""
    bystander: Mapping[str, float] | None
    calls: int
    seconds: float
    """From the first question to the last answer."""


@dataclass(frozen=True, slots=True)
class Unscored:
    """One reply that could not be scored."""

    judge: str
    reason: str
    """unreachable, refused, timeout, garbled, schema, length or unreadable."""
    message: str
    """For a person: what happened and the repair."""
    calls: int
    seconds: float


def boxed(text: str, count: int, low: float, high: float) -> tuple[float, ...]:
    r"""Return the `count` scores in the last `\boxed{…}`: what is quoted from a reply before it cannot win.

    Raises:
        UnreadableError: there is no box, it holds something else, or a score lies outside the scale.
    """
    found = _BOX.findall(text)
    if not found:
        raise UnreadableError("the answer holds no box")
    try:
        scores = tuple(float(part) for part in found[-1].split(","))
    except ValueError:
        raise UnreadableError("the last box holds no number") from None
    if len(scores) != count:
        raise UnreadableError(f"the last box holds {len(scores)} scores instead of {count}")
    if not all(low <= score <= high for score in scores):
        raise UnreadableError(f"a score lies outside {low:g} to {high:g}")
    return scores


def identity(*parts: object) -> str:
    """Return a hash of `parts`, which JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def same_judge(verdicts: Iterable[Verdict]) -> tuple[str, str]:
    """Return the judge and the writer that all `verdicts` share; averaging them is allowed.

    Raises:
        MixedJudgesError: they do not share them, or there is none.
    """
    found = {(verdict.judge, verdict.writer) for verdict in verdicts}
    if len(found) != 1:
        shown = ", ".join(f"judge {judge} with rulers of {writer or 'nobody'}" for judge, writer in sorted(found))
        raise MixedJudgesError(
            f"scores of {len(found)} kinds cannot be averaged or compared ({shown}); score everything again with one"
            " configuration"
        )
    return found.pop()


def require_other_writer(training: str, evaluation: str) -> None:
    """Refuse to evaluate under rulers of the writer, or only of the model, that wrote those of training.

    Raises:
        MixedJudgesError: the writers are the same.
    """
    if training == evaluation or (training and training.split("-")[0] == evaluation.split("-")[0]):
        raise MixedJudgesError(
            f"the rulers of the evaluation were written by the writer of the training's rulers ({training}): a policy"
            " trained under them is at home there; have another model write them (criteria.model)"
        )
