"""Fits the learned part of the crisis screen to labelled lines: a linear model, an encoder, and how they are weighed.

What is measured, how the two are weighed and from which score on a message is high come from scores that no line's own
author had a part in: authors are put into folds, and each fold is scored by models of the others. Equal lines and
settings give equal files on the same machine and packages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.safety.canonical import canonical
from assistant.safety.encoder import HEADS, glossed
from assistant.safety.features import language_of
from assistant.safety.learned import margin_of, stack_of
from training.safety_screen import linear, measuring
from training.safety_screen.lines import ORDINARY, Line, folds
from training.safety_screen.stack import combined, stack
from training.safety_screen.tuning import Examples, Tuning, packed, tokens, tuned_in_turn

Floats = NDArray[np.float64]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the model is fitted."""

    ridge: float = 0.3
    """How strongly the linear weights are kept small."""
    scales: Mapping[str, float] = field(
        default_factory=lambda: {"characters": 1.0, "words": 1.0, "concepts": 0.6, "clues": 0.4}
    )
    """How much each block of features counts."""
    ordinary: float = 4.0
    """How much a line of the ordinary file counts."""
    clear: float = -0.54
    """Below this score a rule that is not firm makes no more than concern."""
    least_lines: int = 3
    """A feature of fewer lines has no weight."""
    false_alarms: float = 0.05
    """Of the hard lines labelled none, so many may be screened high, by rules or by what was learned."""
    ordinary_alarms: float = 0.01
    """Of the ordinary lines, so many may score high."""
    concerns: float = 0.05
    """Of the hard lines labelled none, so many may score concern or high."""
    tuning: Tuning = field(default_factory=Tuning)


@dataclass(frozen=True, slots=True)
class Fitted:
    """The two files, and the scores that authors got from models of the others."""

    learned: bytes
    encoder: bytes
    manifest: dict[str, Any]
    scores: Floats


def fit(lines: Sequence[Line], digest: str, settings: Settings, say: Say, workers: int = 1) -> Fitted:
    """Fit both parts to all lines and measure them across authors; the encoder's runs go `workers` at a time.

    Raises:
        InputFileError: the lines are by one author only.
    """
    fold = folds(lines)
    say(f"reading the features of {len(lines):,} lines")
    table = linear.table(lines, settings.scales, settings.least_lines)
    counts = np.array([settings.ordinary if line.author == ORDINARY else 1.0 for line in lines])
    by_words, dual, used = _linear(table, lines, fold, counts, settings, say)
    texts = tokens([_read(line.labelled.text) for line in lines])
    by_reading, adapters = tuned_in_turn(texts, _examples(lines, counts), fold, settings.tuning, workers, say)
    say("weighing the two parts")
    groups = [stack_of(language_of(line.labelled.text)) for line in lines]
    weighed = np.flatnonzero((measuring.hard(lines) | (counts > 1)) & (measuring.risky(lines) | measuring.none(lines)))
    weights = stack(
        by_words[weighed],
        by_reading[weighed],
        [groups[int(index)] for index in weighed],
        measuring.risky(lines)[weighed],
        counts[weighed],
    )
    margins = np.array([margin_of(len(ids), told) for ids, told in zip(texts, table.told, strict=True)])
    scores = combined(weights, by_words, by_reading, groups, margins)
    parts = {"linear": by_words, "encoder": by_reading, "both": scores}
    manifest = _manifest(lines, table.told, digest, settings, scores) | {
        "stack": weights,
        "folds": [
            sorted({line.author for line, one in zip(lines, fold, strict=True) if one == each})
            for each in sorted(set(fold.tolist()))
        ],
        "recall_by_false_alarms": measuring.curves(lines, groups, parts),
    }
    encoder = packed(adapters, {"lines_sha256": digest, "settings": asdict(settings.tuning)})
    manifest["encoder_sha256"] = hashlib.sha256(encoder).hexdigest()
    return Fitted(linear.packed(table, dual, used, manifest), encoder, manifest, scores)


def _linear(
    table: linear.Table, lines: Sequence[Line], fold: NDArray[np.intp], counts: Floats, settings: Settings, say: Say
) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Return each line's score by a model of the other folds, and the model of all: lines, and how much each counts."""
    targets = linear.targets(lines)
    used = np.flatnonzero([line.labelled.level != "concern" for line in lines])
    scores = np.zeros(len(lines))
    for each in sorted(set(fold.tolist())):
        say(f"linear part: leaving out fold {each + 1} of {len(set(fold.tolist()))}")
        others, own = used[fold[used] != each], np.flatnonzero(fold == each)
        dual = linear.solve(table.values[others], targets[others], counts[others], settings.ridge)
        scores[own] = linear.scored(table.values[own], table.values[others], dual[:, :1])[:, 0]
    say("linear part: all lines")
    return scores, linear.solve(table.values[used], targets[used], counts[used], settings.ridge), used


def _read(text: str) -> str:
    return glossed(text, canonical(text), language_of(text))


def _examples(lines: Sequence[Line], counts: Floats) -> Examples:
    """Return what each line but those of concern teaches the encoder."""
    return {
        index: (
            [
                float(line.risky),
                float(line.labelled.level == "imminent"),
                *(float(line.risky and line.labelled.category == category) for category in HEADS[2:]),
            ],
            float(counts[index]),
        )
        for index, line in enumerate(lines)
        if line.labelled.level != "concern"
    }


def _manifest(
    lines: Sequence[Line], told: Sequence[Sequence[str]], digest: str, settings: Settings, scores: Floats
) -> dict[str, Any]:
    by_rule = measuring.ruled(told, scores, settings.clear)
    thresholds = measuring.thresholds(
        lines,
        scores,
        by_rule,
        false_alarms=settings.false_alarms,
        ordinary=settings.ordinary_alarms,
        concerns=settings.concerns,
    )
    alarmed = by_rule | (scores >= thresholds["high"])
    measured = np.flatnonzero(measuring.hard(lines))
    ordinary = np.array([line.author == ORDINARY for line in lines])
    return {
        "lines": len(lines),
        "lines_sha256": digest,
        "scales": dict(settings.scales),
        "settings": asdict(settings),
        "thresholds": thresholds | {"clear": settings.clear},
        "across_authors": measuring.shares([lines[int(index)] for index in measured], alarmed[measured]),
        "ordinary_alarms": round(float(alarmed[ordinary].mean()), 4) if ordinary.any() else None,
    }
