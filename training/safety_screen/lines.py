"""The labelled lines that the crisis screen is fitted to: one file an author, and authors in folds."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.benchmarks.lines import BadLine
from training.benchmarks.safety import Labelled, read
from training.errors import InputFileError

ORDINARY = "ordinary"
TUNED = ("plain",)
"""Files that rules were written to: what the rules find there says nothing about what they find elsewhere."""
EASY = (ORDINARY, "plain")
"""Files that are no measure of hard lines; every fold has its part of them."""
FOLDS = 3


@dataclass(frozen=True, slots=True)
class Line:
    """A labelled line and who wrote it."""

    author: str
    labelled: Labelled

    @property
    def risky(self) -> bool:
        """Whether it is labelled high or imminent."""
        return self.labelled.level in ("high", "imminent")


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


def folds(lines: Sequence[Line]) -> NDArray[np.intp]:
    """Return the fold of every line: an author's lines share one, and languages are spread over all.

    Raises:
        InputFileError: there is one author only.
    """
    counts: dict[str, Counter[str]] = {}
    for line in lines:
        if line.author not in EASY:
            counts.setdefault(line.author, Counter())[line.labelled.language] += 1
    if len(counts) < 2:
        raise InputFileError("Lines of one author only. Repair: add a second file, by somebody else.")
    whole = sum(counts.values(), Counter[str]())
    held = [Counter[str]() for _ in range(min(FOLDS, len(counts)))]
    place: dict[str, int] = {}
    for author in sorted(counts, key=lambda name: (-counts[name].total(), name)):
        grown = [
            _unevenness([*held[:fold], held[fold] + counts[author], *held[fold + 1 :]], whole)
            for fold in range(len(held))
        ]
        place[author] = int(np.argmin(grown))
        held[place[author]] += counts[author]
    return np.array([place.get(line.author, _drawn(line, len(held))) for line in lines], np.intp)


def _unevenness(held: Sequence[Counter[str]], whole: Counter[str]) -> float:
    """Return the less, the more evenly every language and all lines are spread over the folds."""
    shares = (share * share for fold in held for share in (fold[one] / whole[one] for one in whole))
    return sum(shares) + sum((fold.total() / whole.total()) ** 2 for fold in held)


def _drawn(line: Line, number: int) -> int:
    return hashlib.sha256(line.labelled.text.encode("utf-8", "surrogatepass")).digest()[1] % number
