"""Which known statements a new statement ends, by rules: a move, a new job, a separation, a birthday, a taking back.

Both statements must be the person's own, fit a rule as a whole, and speak of the same slot; what tells more than the
slot, or of somebody else, fits none. English only so far; in other languages nothing is ended without a language model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from memory.reflect.language import languages
from memory.reflect.patterns import any_of, filled, read

Values = Literal["any", "differ", "same", "greater"]

_STRAIGHT = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "＇": "'", "\u00a0": " "})
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Change:
    """How a person says that one slot has changed, and which statements that ends."""

    slot: str
    new: tuple[re.Pattern[str], ...]
    old: tuple[re.Pattern[str], ...]
    values: Values
    """How the values of the two must stand to each other."""
    no_value: re.Pattern[str]
    """A new value like this is none of the slot."""
    proper: bool
    """Whether the value must be written as a name, with a capital letter."""
    only: bool
    """Only where a single known statement fits: several may hold side by side."""
    denied_too: bool
    """Whether a denial may be ended as well."""
    probe: str
    """What is near to the statements of this slot."""
    floor: float
    """The two must be at least so near in meaning."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A change that a statement tells."""

    change: Change
    value: str
    key: str

    def ends(self, text: str) -> bool:
        """Say whether the known statement `text` holds no longer."""
        rules = _rules()
        low = _plain(text)
        if not self.change.denied_too and rules.denied.search(low):
            return False
        for pattern in self.change.old:
            if (found := pattern.fullmatch(low)) is None:
                continue
            value, key = _groups(found)
            if _words(key) == _words(self.key) and self._compared(value):
                return True
        return False

    def _compared(self, value: str) -> bool:
        old, new = _words(value), _words(self.value)
        match self.change.values:
            case "any":
                return True
            case "same":
                return bool(new) and old == new
            case "differ":
                return bool(old) and bool(new) and not old & new
            case "greater":
                return int(value) < int(self.value) <= int(value) + 10


def stated_changes(text: str) -> list[Stated]:
    """Return the changes that a statement of the person tells; mostly none."""
    rules = _rules()
    low = _plain(text)
    if rules.never.search(low):
        return []
    lead = languages()[0].lead.match(low)
    start = lead.end() if lead else 0
    return [stated for change in rules.changes if (stated := _stated(change, text, low, start)) is not None]


def _stated(change: Change, text: str, low: str, start: int) -> Stated | None:
    for pattern in change.new:
        found = pattern.match(low) or pattern.match(low, start)
        if found is not None:
            value, key = _groups(found)
            fits = not change.no_value.search(value) and (not change.proper or _is_name(value, text))
            return Stated(change, value, key) if fits else None
    return None


# ---------------------------------------------------------------- the rules


@dataclass(frozen=True, slots=True)
class _Rules:
    never: re.Pattern[str]
    denied: re.Pattern[str]
    empty: frozenset[str]
    changes: tuple[Change, ...]


@cache
def _rules() -> _Rules:
    file = read("changes")
    named = {name: any_of(words) for name, words in file["words"].items()}
    return _Rules(
        re.compile(any_of(file["never"])),
        re.compile(any_of(file["denied"])),
        frozenset(file["empty"]),
        tuple(_change(rule, named) for rule in file["change"]),
    )


def _change(rule: Mapping[str, Any], named: Mapping[str, str]) -> Change:
    return Change(
        slot=rule["slot"],
        new=_compiled(rule["new"], named),
        old=_compiled(rule["old"], named),
        values=rule.get("values", "any"),
        no_value=re.compile(rule.get("no_value", r"(?!)")),
        proper=rule.get("proper", False),
        only=rule.get("only", False),
        denied_too=rule.get("denied_too", False),
        probe=rule.get("probe", ""),
        floor=rule.get("floor", 0.0),
    )


def _compiled(patterns: Iterable[str], named: Mapping[str, str]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(filled(pattern, named)) for pattern in patterns)


# ---------------------------------------------------------------- words


def _plain(text: str) -> str:
    return " ".join(text.translate(_STRAIGHT).lower().split())


def _groups(found: re.Match[str]) -> tuple[str, str]:
    """Return the value and the key of a matched pattern, which may lack either."""
    *before, value = found.groups() or ("",)
    return (value or "").strip(), (before[0] or "").strip() if before else ""


def _is_name(value: str, text: str) -> bool:
    """Say whether `value`, in lower case, begins with a capital letter in `text`."""
    written = re.search(re.escape(value), " ".join(text.translate(_STRAIGHT).split()), re.IGNORECASE)
    return written is not None and written[0][0].isupper()


def _words(text: str) -> frozenset[str]:
    return frozenset(_stem(word) for word in _WORD.findall(text) if word not in _rules().empty)


def _stem(word: str) -> str:
    """Drop what tells `smokes`, `smoking` and `smoke` apart."""
    if len(word) > 4:
        word = word.removesuffix("ing")
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word
