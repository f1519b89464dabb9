"""Plain statements of a life in one language: what no single rule knows, but a person tells in conversation.

The rule of last resort: less sure than the rules of language.py, and only for what is no task, no talk about the
conversation and no happening of the moment; happenings count when they concern people or health, or lie further back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memory.lexical import content_words
from memory.reflect.feelings import is_of_feeling
from memory.reflect.patterns import any_of, filled
from memory.reflect.rule import Rule
from memory.types import Kind

_MAX_CHARS = 180
"""A longer sentence mostly wanders."""
_LEAST_WORDS = 2
_CONFIDENCE = 0.6
_ASKED_CONFIDENCE = 0.75


@dataclass(frozen=True, slots=True)
class Plain:
    """The patterns of the table `plain` in a file of rules."""

    asked: re.Pattern[str]
    """How a person says how they want to be talked to; this may speak to the assistant."""
    subject: re.Pattern[str]
    """How a statement begins."""
    never: re.Pattern[str]
    """A sentence with this is no fact."""
    faint: re.Pattern[str]
    """A sentence that begins so is a fact only if it is weighty or lasting."""
    passing: re.Pattern[str]
    """A sentence with this is a fact only if it is weighty."""
    weighty: re.Pattern[str]
    """People, health, and what else is worth remembering whenever it happened."""
    lasting: re.Pattern[str]
    """Long ago, for long, or again and again."""
    kinds: tuple[Rule, ...]
    """The first with a pattern that is found tells the kind."""

    def match(self, sentence: str, start: int) -> Rule | None:
        """Return what makes this sentence (in lower case; its lead ends at `start`) a fact."""
        if len(sentence) > _MAX_CHARS or not self.subject.match(sentence, start) or self.never.search(sentence):
            return None
        lasting = self.lasting.search(sentence) is not None
        weighty = self.weighty.search(sentence, start) is not None
        if not weighty and (
            self.passing.search(sentence) or (not lasting and self.faint.match(sentence, start) is not None)
        ):
            return None
        if not tells(sentence, 1 if lasting or weighty else _LEAST_WORDS):
            return None
        return next((rule for rule in self.kinds if rule.pattern.search(sentence, start)), _OTHER)

    def match_asked(self, sentence: str, start: int) -> Rule | None:
        """Return the rule for a wish how to be talked to, if the sentence is one."""
        return _ASKED if self.asked.match(sentence, start) else None


_OTHER = Rule(Kind.OTHER, re.compile(""), _CONFIDENCE)
_ASKED = Rule(Kind.PREFERENCE, re.compile(""), _ASKED_CONFIDENCE)


def tells(sentence: str, words: int = 1) -> bool:
    """Whether the sentence has so many words of meaning, besides the names of feelings."""
    return len([word for word in content_words(sentence) if not is_of_feeling(word)]) >= words


def read_plain(table: Mapping[str, Any], named: Mapping[str, str]) -> Plain:
    """Compile the table `plain` of a language, whose words and phrases are `named`."""
    named = {**named, **{name: any_of(words) for name, words in table.get("words", {}).items()}}
    named |= table.get("phrases", {})

    def compiled(name: str) -> re.Pattern[str]:
        return re.compile(filled(any_of(table.get(name, ())), named))

    return Plain(
        asked=compiled("asked"),
        subject=compiled("subject"),
        never=compiled("never"),
        faint=compiled("faint"),
        passing=compiled("passing"),
        weighty=compiled("weighty"),
        lasting=compiled("lasting"),
        kinds=tuple(
            Rule(Kind(kind), re.compile(filled(any_of(patterns), named)), _CONFIDENCE)
            for kind, patterns in table["kinds"].items()
        ),
    )
