"""How people speak of themselves in one language: its file in `rules/`, compiled on first use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from memory.reflect.patterns import any_of, filled, read
from memory.reflect.plain import Plain, read_plain
from memory.reflect.rule import Rule
from memory.types import Kind

NAMES = ("en", "es", "pt", "de", "fr", "it", "ru", "zh", "ja")
"""In the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class Language:
    """Patterns for text in lower case with straight apostrophes."""

    name: str
    cue: re.Pattern[str]
    """Without it a sentence is not in this language, or not about its speaker."""
    connectives: re.Pattern[str]
    """What may be cut off before a statement."""
    lead: re.Pattern[str]
    """What may stand before a statement; the rules begin where it ends."""
    request: re.Pattern[str]
    """What may be cut off after a statement."""
    never: re.Pattern[str]
    """A sentence with this is no fact."""
    rules: tuple[Rule, ...]
    plain: Plain | None
    """For conversation only; None where nobody has written it yet."""

    def match(self, sentence: str) -> Rule | None:
        """Return the first rule that makes this sentence (in lower case) a fact."""
        if self.never.search(sentence):
            return None
        start = self._start(sentence)
        return next((rule for rule in self.rules if rule.pattern.match(sentence, start)), None)

    def match_plain(self, sentence: str) -> Rule | None:
        """Return what makes this sentence (in lower case) of a conversation a fact, though no rule knows it."""
        if self.plain is None or self.never.search(sentence):
            return None
        return self.plain.match(sentence, self._start(sentence))

    def match_asked(self, sentence: str) -> Rule | None:
        """Return the rule for a wish how to be talked to, if the sentence (in lower case) is one."""
        return self.plain.match_asked(sentence, self._start(sentence)) if self.plain else None

    def _start(self, sentence: str) -> int:
        lead = self.lead.match(sentence)
        return lead.end() if lead else 0


@cache
def languages() -> tuple[Language, ...]:
    """Return all languages there are rules for."""
    return tuple(_language(read(name)) for name in NAMES)


def _language(file: Mapping[str, Any]) -> Language:
    frame = file["frame"]
    named = {name: any_of(words) for name, words in file.get("words", {}).items()} | dict(file.get("phrases", {}))
    gap = "[ ,:!.]+" if file["spaced"] else "[ ,，、:!.]*"
    connectives = f"(?:{any_of(frame['connectives'])}{gap})*"
    hedges = f"(?:{any_of(frame['hedges'])}{gap})*"
    when = f"(?:{any_of(frame.get('when', ()))}[ ,]+)?"
    return Language(
        name=file["language"],
        cue=re.compile(any_of(frame["cue"])),
        connectives=re.compile(connectives),
        lead=re.compile(connectives + hedges + when),
        request=_request(frame, file["spaced"]),
        never=re.compile(any_of(frame["never"])),
        rules=tuple(_rule(rule, named) for rule in file["rule"]),
        plain=read_plain(file["plain"], named) if "plain" in file else None,
    )


def _request(frame: Mapping[str, Any], spaced: bool) -> re.Pattern[str]:
    joint, requests, calls = (any_of(frame[name]) for name in ("conjunctions", "requests", "calls"))
    if not spaced:
        return re.compile(rf"(?:[，,、 ]|{joint})(?:{requests}|{calls}).*$|{calls}.*$", re.DOTALL)
    after_a_break = rf"(?:[,;:.]?\s+{joint}|[,;:.])\s+{requests}\b.*$"
    return re.compile(rf"{after_a_break}|[,;:.]?\s+(?:{joint}\s+)?{calls}\b.*$", re.DOTALL)


def _rule(rule: Mapping[str, Any], named: Mapping[str, str]) -> Rule:
    pattern = rule.get("after", "") + any_of(rule["any"]) + rule.get("then", "")
    return Rule(Kind(rule["kind"]), re.compile(filled(pattern, named)), rule["confidence"])
