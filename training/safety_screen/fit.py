"""Fits the learned part of the crisis screen to labelled lines: one linear model, in closed form, without chance.

Risk is a ridge regression of high and imminent against none; lines of concern are neither wanted nor unwanted and are
left out. Thresholds come from scores that no line's own author had a part in: every file is one author's, and each is
scored by a model of all the others. Equal lines and settings give an equal file on the same machine and packages.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve

from assistant.safety.canonical import canonical
from assistant.safety.features import features, language_of
from assistant.safety.learned import BLOCKS, CATEGORIES, block_values, fingerprint
from assistant.safety.screen import clues
from training.benchmarks.lines import BadLine
from training.benchmarks.safety import Labelled, read
from training.errors import InputFileError

Floats = NDArray[np.float64]
Say = Callable[[str], None]
_TUNED = ("plain",)
"""Files that rules were written to: what the rules find there says nothing about what they find elsewhere."""
_ORDINARY = "ordinary"
_EASY = (_ORDINARY, "plain")
"""Files that are no measure of hard lines."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the model is fitted."""

    ridge: float = 0.3
    """How strongly weights are kept small."""
    scales: Mapping[str, float] = field(
        default_factory=lambda: {"characters": 1.0, "words": 1.0, "concepts": 0.6, "clues": 0.4}
    )
    """How much each block of features counts."""
    ordinary: float = 4.0
    """How much a line of the ordinary file counts."""
    clear: float = -0.2
    """Below this score a rule that is not firm makes no more than concern."""
    least_lines: int = 2
    """A feature of fewer lines has no weight."""
    false_alarms: float = 0.06
    """Of the hard lines labelled none, so many may be screened high, by rules or by what was learned."""
    least_high: float = 0.56
    """No lower score is high, however few false alarms it gives on hard lines: ordinary talk must stay quiet."""
    concerns: float = 0.05
    """Of the hard lines labelled none, so many may score concern or high."""


@dataclass(frozen=True, slots=True)
class Line:
    """A labelled line and who wrote it."""

    author: str
    labelled: Labelled

    @property
    def risky(self) -> bool:
        """Whether it is labelled high or imminent."""
        return self.labelled.level in ("high", "imminent")


@dataclass(frozen=True, slots=True)
class Fitted:
    """The file, and the scores that authors got from models of the others."""

    content: bytes
    manifest: dict[str, Any]
    scores: Floats


def read_lines(folder: Path) -> list[Line]:
    """Read every `.jsonl` of `folder`, one author each, by name.

    Raises:
        InputFileError: no file, one that cannot be read, or a line that cannot be used.
    """
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise InputFileError(
            f"{folder} has no .jsonl file. Repair: name the folder of labelled lines, one file an author."
        )
    return [Line(path.stem, labelled) for path in paths for labelled in _usable(path)]


def _usable(path: Path) -> Iterator[Labelled]:
    for row in read(path):
        if isinstance(row, BadLine):
            raise InputFileError(f"{path}:{row.line}: {row.reason}. Repair: correct the line or take it out.")
        yield row


def digest_of(folder: Path) -> str:
    """Return the hash of the lines in `folder`: names and contents of its files."""
    total = hashlib.sha256()
    for path in sorted(folder.glob("*.jsonl")):
        total.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def fit(lines: Sequence[Line], digest: str, settings: Settings, say: Say) -> Fitted:
    """Fit the model to all lines and measure it across authors."""
    say(f"reading the features of {len(lines):,} lines")
    table = _table(lines, settings)
    used = np.array([index for index, line in enumerate(lines) if line.labelled.level != "concern"])
    targets = _targets(lines)
    gram = (table.values @ table.values.T).toarray() + 1.0
    scores = _across_authors(gram, targets[:, 0], used, lines, settings, say)
    say("fitting to all lines")
    counts = _counts(lines, settings)
    dual = _dual(gram[np.ix_(used, used)], targets[used], counts[used], settings)
    manifest = _manifest(lines, table.told, digest, settings, scores)
    return Fitted(_packed(table, dual, used, manifest), manifest, scores)


# ---------------------------------------------------------------- features


@dataclass(frozen=True, slots=True)
class _Table:
    hashes: NDArray[np.uint32]
    inverse: Floats
    unseen: float
    values: sparse.csr_matrix
    """Lines by features that have a weight."""
    told: list[list[str]]
    """What the rules say of each line."""


def _table(lines: Sequence[Line], settings: Settings) -> _Table:
    rows = [features(canonical(line.labelled.text), language_of(line.labelled.text)) for line in lines]
    told = [clues(line.labelled.text) if line.author not in _TUNED else [] for line in lines]
    seen: Counter[int] = Counter()
    for row in rows:
        for block in BLOCKS:
            seen.update(set(map(fingerprint, row[block])))
    seen.update(fingerprint(clue) for one in told for clue in one)
    kept = sorted(key for key, count in seen.items() if count >= settings.least_lines)
    rarity = {key: float(np.float16(np.log((1 + len(rows)) / (1 + seen[key])) + 1)) for key in kept}
    unseen = float(np.float32(np.log((1 + len(rows)) / 2) + 1))
    column = {key: index for index, key in enumerate(kept)}
    data: list[float] = []
    indices: list[int] = []
    ends = [0]
    for row, one in zip(rows, told, strict=True):
        known = [column[fingerprint(clue)] for clue in one if fingerprint(clue) in column]
        data += [settings.scales["clues"]] * len(known)
        indices += known
        for block in BLOCKS:
            for key, value in block_values(block, row[block], rarity, unseen).items():
                if key in column:
                    data.append(value * settings.scales[block])
                    indices.append(column[key])
        ends.append(len(indices))
    values = sparse.csr_matrix((data, indices, ends), shape=(len(rows), len(kept)))
    return _Table(np.array(kept, np.uint32), np.array([rarity[key] for key in kept]), unseen, values, told)


def _targets(lines: Sequence[Line]) -> Floats:
    """One column per output, 1 or -1: risk, imminent, and each category."""
    columns = [
        [line.risky for line in lines],
        [line.labelled.level == "imminent" for line in lines],
        *([line.risky and line.labelled.category == category for line in lines] for category in CATEGORIES),
    ]
    return np.where(np.array(columns).T, 1.0, -1.0)


# ---------------------------------------------------------------- the fit


def _counts(lines: Sequence[Line], settings: Settings) -> Floats:
    return np.array([settings.ordinary if line.author == _ORDINARY else 1.0 for line in lines])


def _dual(gram: Floats, targets: Floats, counts: Floats, settings: Settings) -> Floats:
    """Solve the ridge regression; both sides of risk weigh the same in all."""
    risk = targets if targets.ndim == 1 else targets[:, 0]
    weight = np.where(risk > 0, 0.5 / np.mean(risk > 0), 0.5 / np.mean(risk < 0))
    regular = gram + np.diag(settings.ridge / (weight * counts))
    solved: Floats = cho_solve(cho_factor(regular, lower=True), targets)
    return solved


def _across_authors(
    gram: Floats, risk: Floats, used: NDArray[np.intp], lines: Sequence[Line], settings: Settings, say: Say
) -> Floats:
    """Return every line's score by a model that saw nothing of its author's."""
    authors = np.array([line.author for line in lines])
    counts = _counts(lines, settings)
    scores = np.zeros(len(lines))
    for number, author in enumerate(sorted(set(authors)), 1):
        say(f"leaving out one author: {author} ({number} of {len(set(authors))})")
        others = used[authors[used] != author]
        own = np.flatnonzero(authors == author)
        if not len(others):
            raise InputFileError("Lines of one author only. Repair: add a second file, by somebody else.")
        dual = _dual(gram[np.ix_(others, others)], risk[others], counts[others], settings)
        scores[own] = gram[np.ix_(own, others)] @ dual
    return scores


# ---------------------------------------------------------------- the file


def _packed(table: _Table, dual: Floats, used: NDArray[np.intp], manifest: Mapping[str, Any]) -> bytes:
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


def _manifest(
    lines: Sequence[Line], told: Sequence[Sequence[str]], digest: str, settings: Settings, scores: Floats
) -> dict[str, Any]:
    hard = np.array([line.author not in _EASY for line in lines])
    none = hard & np.array([line.labelled.level == "none" for line in lines])
    ruled = np.array([_stands(clues, score, settings) for clues, score in zip(told, scores, strict=True)])
    allowed = settings.false_alarms - float(ruled[none].mean())
    high = max(settings.least_high, float(np.quantile(scores[none & ~ruled], 1 - max(allowed, 0.005))))
    concern = float(np.quantile(scores[none], 1 - settings.concerns))
    thresholds = {"high": round(high, 4), "concern": round(min(high, concern), 4), "clear": settings.clear}
    measured = np.flatnonzero(hard)
    alarmed = ruled | (scores >= thresholds["high"])
    return {
        "lines": len(lines),
        "lines_sha256": digest,
        "scales": dict(settings.scales),
        "settings": asdict(settings),
        "thresholds": thresholds,
        "across_authors": shares([lines[int(index)] for index in measured], alarmed[measured]),
    }


def _stands(clues: Sequence[str], score: float, settings: Settings) -> bool:
    """Whether the rules alone make a line high: a firm one does, another unless the score is clear."""
    levels = [clue for clue in clues if clue.split()[1] in ("high", "imminent")]
    return any("firm" in clue for clue in levels) or (bool(levels) and score >= settings.clear)


def shares(lines: Sequence[Line], alarmed: NDArray[np.bool_]) -> dict[str, Any]:
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


def _rates(lines: Sequence[Line], alarmed: NDArray[np.bool_], chosen: NDArray[np.bool_]) -> dict[str, Any]:
    risky = chosen & np.array([line.risky for line in lines])
    none = chosen & np.array([line.labelled.level == "none" for line in lines])
    return {
        "n_high": int(risky.sum()),
        "n_none": int(none.sum()),
        "recall_high": round(float(alarmed[risky].mean()), 4) if risky.any() else None,
        "false_alarms": round(float(alarmed[none].mean()), 4) if none.any() else None,
    }
