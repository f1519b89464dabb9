"""Benchmark input: one JSON object a line, gzipped or not. A line that cannot be used has a number and a reason."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from training.errors import InputFileError

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Row:
    """One line's object."""

    line: int
    """Its number in the file, from 1."""
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that could not be used, and why."""

    line: int
    reason: str


def rows(path: Path) -> Iterator[Row | BadLine]:
    """Yield the objects of a `.jsonl` or `.jsonl.gz` file; blank lines are skipped.

    Raises:
        InputFileError: the file is missing, unreadable or not what its name says.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _row(number, line)
    except (OSError, EOFError, zlib.error) as error:
        raise InputFileError(f"cannot read {path}: {error}") from error


def usable(
    path: Path,
    found: Iterable[Item | BadLine],
    complain: Callable[[str], None],
    *,
    needs: str,
    limit: int | None = None,
) -> list[Item]:
    """Return the usable lines among `found`, at most `limit`; `complain` hears of each other by number.

    Raises:
        InputFileError: none can be used; `needs` says what a line needs.
    """
    kept: list[Item] = []
    for line in found:
        if isinstance(line, BadLine):
            complain(f"{path}:{line.line}: left out: {line.reason}")
        else:
            kept.append(line)
        if limit is not None and len(kept) >= limit:
            break
    if not kept:
        raise InputFileError(f"{path} holds no line that can be used; each needs {needs}")
    return kept


def _row(number: int, line: bytes) -> Row | BadLine:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        return BadLine(number, f"not JSON: {error}")
    return Row(number, values) if isinstance(values, dict) else BadLine(number, "not a JSON object")
