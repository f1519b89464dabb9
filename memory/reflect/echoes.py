"""What a reply had recalled and the person sends back, such as a pasted list of memories, teaches nothing new."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from memory.types import Evidence, Message, Reflection

_MIN_WORDS = 3
"""Fewer words are said again without being copied."""
_JOINT = re.compile(r"[,;:!\n]+|\b(?:and|but|y|e|und|et)\b")
"""Where recalled statements are joined into one."""


def without_echoes(reflection: Reflection, turns: Sequence[Message]) -> Reflection:
    """Leave out what rests on words that a reply with recalled facts had said before, and count it."""
    before = _recalled_before(turns)
    if not any(before.values()):
        return reflection
    facts = tuple(new for new in reflection.facts if not all(_echoes(one, before) for one in new.evidence))
    traits = tuple(new for new in reflection.traits if not _echoes(new.evidence, before))
    dropped = Counter(reflection.dropped)
    dropped["recalled before"] += len(reflection.facts) + len(reflection.traits) - len(facts) - len(traits)
    return replace(
        reflection, facts=facts, traits=traits, dropped={why: count for why, count in dropped.items() if count}
    )


def _recalled_before(turns: Sequence[Message]) -> dict[str, str]:
    """Return for each turn of the person what earlier replies said that had recalled facts."""
    said = " "
    before: dict[str, str] = {}
    for turn in turns:
        if turn.role == "user":
            before[turn.id] = said.strip() and said
        elif (turn.explanation or {}).get("fact_ids"):
            said += f"{_words(turn.text)} "
    return before


def _echoes(evidence: Evidence, before: dict[str, str]) -> bool:
    said = before.get(evidence.message_id, "")
    clauses = [clause for part in _JOINT.split(evidence.quote.casefold()) if (clause := _words(part))]
    return _is_in(_words(evidence.quote), said) or (bool(clauses) and all(_is_in(clause, said) for clause in clauses))


def _is_in(quote: str, said: str) -> bool:
    return len(quote.split()) >= _MIN_WORDS and f" {quote} " in said


def _words(text: str) -> str:
    """Return the words of `text` alone, in lower case."""
    spaced = "".join(char if char.isalnum() else " " for char in unicodedata.normalize("NFKC", text).casefold())
    return " ".join(spaced.split())
