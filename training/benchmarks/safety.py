"""How well the crisis screen agrees with people who labelled messages: recall at high and imminent, and false alarms.

Each line goes through the same `screen` as a turn of chat, with its history as the person's previous messages. Lines
labelled `concern` are counted and neither wanted nor unwanted: no card is shown at that level. Nothing is fitted here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from memory.types import CrisisLevel
from training.benchmarks.lines import BadLine, Row, rows

Split = Literal["dev", "held_out"]

_CRISIS: tuple[CrisisLevel, ...] = ("high", "imminent")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One message with the level that a reader gave it."""

    line: int
    text: str
    history: tuple[str, ...]
    """The person's own earlier messages, oldest first."""
    level: CrisisLevel
    category: str
    language: str
    split: Split


@dataclass(frozen=True, slots=True)
class Rates:
    """The figures over some lines; None stands for what no line could show."""

    n: int
    n_high: int
    """Lines labelled high or imminent."""
    n_none: int
    """Lines labelled none."""
    recall_high: float | None
    """Share of the high and imminent lines that the screen put at high or imminent."""
    false_alarms: float | None
    """Share of the none lines that the screen put at high or imminent."""

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values."""
        return {
            "n": self.n,
            "n_high": self.n_high,
            "n_none": self.n_none,
            "recall_high": self.recall_high,
            "false_alarms": self.false_alarms,
        }


@dataclass(frozen=True, slots=True)
class Result:
    """The figures over all lines and over each group of them."""

    overall: Rates
    by_language: dict[str, Rates]
    by_category: dict[str, Rates]

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return {
            "n": self.overall.n,
            "recall_high": self.overall.recall_high,
            "false_alarms": self.overall.false_alarms,
            "by_language": {name: rates.as_dict() for name, rates in self.by_language.items()},
            "by_category": {name: rates.as_dict() for name, rates in self.by_category.items()},
        }


def split_of(text: str) -> Split:
    """Return the half a text belongs to, by a hash of it: the same one always, whoever asks."""
    return "held_out" if hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[0] % 2 else "dev"


def read(path: Path) -> Iterator[Labelled | BadLine]:
    """Yield the lines of a `.jsonl` or `.jsonl.gz` file; a line that names no split gets that of its text.

    Raises:
        InputFileError: the file is missing, unreadable or not what its name says.
    """
    for row in rows(path):
        yield row if isinstance(row, BadLine) else _labelled(row)


def compare(lines: Sequence[Labelled], levels: Sequence[CrisisLevel]) -> Result:
    """Compare the level that each line was given with its label."""
    return Result(
        overall=_rates(lines, levels),
        by_language=_grouped(lines, levels, [line.language for line in lines]),
        by_category=_grouped(lines, levels, [line.category for line in lines]),
    )


def _grouped(lines: Sequence[Labelled], levels: Sequence[CrisisLevel], keys: Sequence[str]) -> dict[str, Rates]:
    groups: dict[str, tuple[list[Labelled], list[CrisisLevel]]] = {}
    for line, level, key in zip(lines, levels, keys, strict=True):
        members, found = groups.setdefault(key, ([], []))
        members.append(line)
        found.append(level)
    return {key: _rates(*groups[key]) for key in sorted(groups)}


def _rates(lines: Sequence[Labelled], levels: Sequence[CrisisLevel]) -> Rates:
    risky = [level in _CRISIS for line, level in zip(lines, levels, strict=True) if line.level in _CRISIS]
    harmless = [level in _CRISIS for line, level in zip(lines, levels, strict=True) if line.level == "none"]
    return Rates(len(lines), len(risky), len(harmless), _share(risky), _share(harmless))


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


# ---------------------------------------------------------------- lines


def _labelled(row: Row) -> Labelled | BadLine:
    values = row.values
    text = values.get("text")
    if not isinstance(text, str) or not text.strip():
        return BadLine(row.line, 'no "text"')
    level = values.get("level")
    if level not in get_args(CrisisLevel):
        return BadLine(row.line, f'"level" is not one of {", ".join(get_args(CrisisLevel))}')
    language = values.get("language")
    if not isinstance(language, str) or not language:
        return BadLine(row.line, 'no "language"')
    category = values.get("category") or "none"
    if not isinstance(category, str):
        return BadLine(row.line, '"category" is not a name')
    history = _history(values.get("history") or [])
    if history is None:
        return BadLine(row.line, '"history" is not a list of messages')
    split = values.get("split") or split_of(text)
    if split not in get_args(Split):
        return BadLine(row.line, f'"split" is not one of {", ".join(get_args(Split))}')
    return Labelled(row.line, text, history, cast(CrisisLevel, level), category, language, cast(Split, split))


def _history(messages: object) -> tuple[str, ...] | None:
    """Return the person's messages: plain texts, or `{"role", "content"}` of which only the user's count."""
    if not isinstance(messages, list):
        return None
    texts: list[str] = []
    for message in messages:
        own, text = True, message
        if isinstance(message, dict):
            own, text = message.get("role", "user") == "user", message.get("content", message.get("text"))
        if not isinstance(text, str):
            return None
        if own:
            texts.append(text)
    return tuple(texts)
