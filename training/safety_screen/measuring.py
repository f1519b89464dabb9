"""What the fit of the crisis screen found across authors: thresholds, shares, and recall at given false alarms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.safety_screen.lines import EASY, ORDINARY, Line

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]
FALSE_ALARMS = (0.02, 0.05, 0.08, 0.10)
"""At which recall is told."""


def hard(lines: Sequence[Line]) -> Chosen:
    """Return which lines measure."""
    return np.array([line.author not in EASY for line in lines])


def none(lines: Sequence[Line]) -> Chosen:
    """Return which lines are labelled none."""
    return np.array([line.labelled.level == "none" for line in lines])


def risky(lines: Sequence[Line]) -> Chosen:
    """Return which lines are labelled high or imminent."""
    return np.array([line.risky for line in lines])


def ruled(told: Sequence[Sequence[str]], scores: Floats, clear: float) -> Chosen:
    """Return which lines rules alone make high: a firm one does, another unless the score is clear."""
    return np.array([_stands(clues, score, clear) for clues, score in zip(told, scores, strict=True)])


def _stands(clues: Sequence[str], score: float, clear: float) -> bool:
    levels = [clue for clue in clues if clue.split()[1] in ("high", "imminent")]
    return any("firm" in clue for clue in levels) or (bool(levels) and score >= clear)


def thresholds(
    lines: Sequence[Line], scores: Floats, by_rule: Chosen, *, false_alarms: float, ordinary: float, concerns: float
) -> dict[str, float]:
    """Return the scores from which on a message is high and concern.

    At most `false_alarms` of the hard lines labelled none are high, by rules or by score, and at most `ordinary` of
    the ordinary lines; `concerns` of the hard ones score concern or high.
    """
    harmless = hard(lines) & none(lines)
    allowed = false_alarms - float(by_rule[harmless].mean())
    high = float(np.quantile(scores[harmless & ~by_rule], 1 - max(allowed, 0.005)))
    plain = np.array([line.author == ORDINARY for line in lines])
    if plain.any():
        high = max(high, float(np.quantile(scores[plain], 1 - ordinary)))
    concern = float(np.quantile(scores[harmless], 1 - concerns))
    return {"high": round(high, 4), "concern": round(min(high, concern), 4)}


def shares(lines: Sequence[Line], alarmed: Chosen) -> dict[str, Any]:
    """Return recall at high and imminent and false alarms on none: in all, by author, language and category."""
    groups: dict[str, Callable[[Line], str]] = {
        "author": lambda line: line.author,
        "language": lambda line: line.labelled.language,
        "category": lambda line: line.labelled.category,
    }
    table: dict[str, Any] = {"all": _rates(lines, alarmed, np.ones(len(lines), bool))}
    for name, key in groups.items():
        keys = np.array([key(line) for line in lines])
        table[name] = {one: _rates(lines, alarmed, keys == one) for one in sorted(set(keys.tolist()))}
    return table


def _rates(lines: Sequence[Line], alarmed: Chosen, chosen: Chosen) -> dict[str, Any]:
    dangerous, harmless = chosen & risky(lines), chosen & none(lines)
    return {
        "n_high": int(dangerous.sum()),
        "n_none": int(harmless.sum()),
        "recall_high": round(float(alarmed[dangerous].mean()), 4) if dangerous.any() else None,
        "false_alarms": round(float(alarmed[harmless].mean()), 4) if harmless.any() else None,
    }


def curves(lines: Sequence[Line], groups: Sequence[str], scores: Mapping[str, Floats]) -> dict[str, Any]:
    """Return, for each part and each group of languages, recall at each of `FALSE_ALARMS`, by scores alone."""
    names = np.array(groups)
    which = {"all": np.ones(len(lines), bool)} | {name: names == name for name in sorted(set(groups))}
    return {
        part: {name: _curve(values, hard(lines) & chosen, lines) for name, chosen in which.items()}
        for part, values in scores.items()
    }


def _curve(scores: Floats, chosen: Chosen, lines: Sequence[Line]) -> list[float]:
    dangerous, harmless = scores[chosen & risky(lines)], scores[chosen & none(lines)]
    if not len(dangerous) or not len(harmless):
        return []
    return [round(float(np.mean(dangerous > np.quantile(harmless, 1 - share))), 4) for share in FALSE_ALARMS]
