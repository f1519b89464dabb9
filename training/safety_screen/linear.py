"""The linear part of the crisis screen: a ridge regression over `assistant/safety/features.py`, without chance.

Risk is high and imminent against none; lines of concern are neither wanted nor unwanted and are left out. Solved by
conjugate gradients, so that memory grows with the lines and not with their square.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from assistant.safety.canonical import canonical
from assistant.safety.features import CATEGORIES, features, language_of
from assistant.safety.learned import BLOCKS, block_values, fingerprint
from assistant.safety.screen import clues
from training.safety_screen.lines import TUNED, Line

Floats = NDArray[np.float64]
_CLOSE = 1e-6
"""The residual, as a share of what is solved for, that ends the iteration; weights are kept to one part in 127."""
_MOST_STEPS = 2000


@dataclass(frozen=True, slots=True)
class Table:
    """The features of all lines."""

    hashes: NDArray[np.uint32]
    inverse: Floats
    unseen: float
    values: sparse.csr_matrix
    """Lines by features that have a weight."""
    told: list[list[str]]
    """What the rules say of each line."""


def table(lines: Sequence[Line], scales: Mapping[str, float], least_lines: int) -> Table:
    """Return the features of `lines`; a feature of fewer than `least_lines` has no column."""
    rows = [features(canonical(line.labelled.text), language_of(line.labelled.text)) for line in lines]
    told = [clues(line.labelled.text) if line.author not in TUNED else [] for line in lines]
    seen: Counter[int] = Counter()
    for row in rows:
        for block in BLOCKS:
            seen.update(set(map(fingerprint, row[block])))
    seen.update(fingerprint(clue) for one in told for clue in one)
    kept = sorted(key for key, count in seen.items() if count >= least_lines)
    rarity = {key: float(np.float16(np.log((1 + len(rows)) / (1 + seen[key])) + 1)) for key in kept}
    unseen = float(np.float32(np.log((1 + len(rows)) / 2) + 1))
    column = {key: index for index, key in enumerate(kept)}
    data: list[float] = []
    indices: list[int] = []
    ends = [0]
    for row, one in zip(rows, told, strict=True):
        known = [column[fingerprint(clue)] for clue in one if fingerprint(clue) in column]
        data += [scales["clues"]] * len(known)
        indices += known
        for block in BLOCKS:
            for key, value in block_values(block, row[block], rarity, unseen).items():
                if key in column:
                    data.append(value * scales[block])
                    indices.append(column[key])
        ends.append(len(indices))
    values = sparse.csr_matrix((data, indices, ends), shape=(len(rows), len(kept)))
    return Table(np.array(kept, np.uint32), np.array([rarity[key] for key in kept]), unseen, values, told)


def targets(lines: Sequence[Line]) -> Floats:
    """Return one column per output, 1 or -1: risk, imminent, and each category."""
    columns = [
        [line.risky for line in lines],
        [line.labelled.level == "imminent" for line in lines],
        *([line.risky and line.labelled.category == category for line in lines] for category in CATEGORIES),
    ]
    return np.where(np.array(columns).T, 1.0, -1.0)


def solve(values: sparse.csr_matrix, wanted: Floats, counts: Floats, ridge: float) -> Floats:
    """Return how much each line counts in each output; both sides of risk, the first, weigh the same in all."""
    risky = wanted[:, 0] > 0
    weight = np.where(risky, 0.5 / np.mean(risky), 0.5 / np.mean(~risky)) * counts
    scale = np.sqrt(weight / ridge)[:, None]
    turned = values.T.tocsr()

    def product(given: Floats) -> Floats:
        scaled = scale * given
        found: Floats = given + scale * (values @ (turned @ scaled) + scaled.sum(axis=0))
        return found

    goal = scale * wanted
    solved = np.zeros_like(goal)
    residual = goal.copy()
    direction = residual.copy()
    size = np.sum(residual * residual, axis=0)
    enough = size * _CLOSE**2
    for _ in range(_MOST_STEPS):
        if np.all(size <= enough):
            break
        moved = product(direction)
        along = size / np.maximum(np.sum(direction * moved, axis=0), np.finfo(float).tiny)
        solved += along * direction
        residual -= along * moved
        before, size = size, np.sum(residual * residual, axis=0)
        direction = residual + size / np.maximum(before, np.finfo(float).tiny) * direction
    return scale * solved


def scored(values: sparse.csr_matrix, fitted: sparse.csr_matrix, dual: Floats) -> Floats:
    """Return the outputs of the model that `dual` makes of the lines `fitted`, for the lines `values`."""
    found: Floats = values @ (fitted.T @ dual) + dual.sum(axis=0)
    return found


def packed(table: Table, dual: Floats, used: NDArray[np.intp], manifest: Mapping[str, Any]) -> bytes:
    """Return the weights file: eight bits a weight, hashes as steps."""
    weights = (table.values[used].T @ dual).T
    sizes = np.abs(weights).max(axis=1) / 127.0
    small = np.round(weights / sizes[:, None]).astype(np.int8)
    steps = np.diff(table.hashes.astype(np.int64), prepend=0).astype(np.uint32)
    buffer = BytesIO()
    np.savez_compressed(
        buffer,
        steps=steps,
        inverse=table.inverse.astype(np.float16),
        risk=small[0],
        heads=small[1:],
        sizes=sizes.astype(np.float32),
        bias=dual.sum(axis=0).astype(np.float32),
        unseen=np.float32(table.unseen),
        manifest=np.frombuffer(json.dumps(manifest, sort_keys=True).encode(), np.uint8),
    )
    return buffer.getvalue()
