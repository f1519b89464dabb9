"""What the builtin responder says: a reply from the person's own words, the facts given, and the SupportPlan. Pure.

The same situation and seed give the same reply. It never states a fact that is not given: facts and the person's words
are quoted or have their pronouns turned round, and everything else is a line of `builtin.toml`. A line that stands in a
previous reply is not used again while another is left.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from assistant.models.door import Situation
from assistant.models.mirror import judges_self, mirror, quotable
from assistant.safety.protocol import safe_reply
from assistant.safety.screen import Screen
from assistant.support import SupportPlan
from memory.template import load

_MAX_FACTS_LISTED = 8
_BARE_WORDS = 2
_READ_CHARS = 4000
_PLACEHOLDER = re.compile(r"\{\w+\}")
_FIRST_PERSON = re.compile(r"\b(?:i|i'm|i've|i'd|i'll|me|my|mine|myself|we|our|us)\b", re.IGNORECASE)
_DENIED = re.compile(r"\b(?:not|never|no|n't|without|\w+n['’]t)(?: \w+){0,2} $", re.IGNORECASE)
_VOWEL = re.compile(r"\b([Aa]) (?=[aeiou])")


def reply(situation: Situation, seed: int) -> str:
    """Return the reply to `situation`; the same for the same seed, message and previous replies."""
    plan = situation.plan
    if plan.crisis:
        found = Screen(plan.level if plan.level != "none" else "high", plan.crisis_categories, (), plan.language)
        return safe_reply(found, said=situation.previous_replies)
    speaker = _Speaker(situation, seed)
    asked = next((row for row in _asked_who() if row.pattern.search(situation.message[:_READ_CHARS])), None)
    if asked is not None:
        return speaker.truthfully(asked)
    if plan.language in _lines()["language"]:
        return speaker.in_language(plan.language)
    intent = next((row.name for row in _intents() if row.pattern.search(situation.message[:_READ_CHARS])), None)
    if intent == "memories":
        return speaker.memories()
    if intent == "write":
        return speaker.joined(speaker.say("cannot_write"))
    if intent is not None:
        return speaker.say(intent)
    if _is_bare(situation):
        return speaker.say("short")
    return _quietly(speaker.by_plan(), plan)


def _quietly(text: str, plan: SupportPlan) -> str:
    """Nobody who is hurting is shouted at, however lively they are."""
    return text if plan.category != "emotional_support" or "good_news" in plan.signals else text.replace("!", ".")


@dataclass(frozen=True, slots=True)
class _Intent:
    name: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _AskedWho:
    """How one language asks who answers, and what is said to that."""

    language: str
    pattern: re.Pattern[str]
    say: tuple[str, ...]


class _Speaker:
    """Chooses lines for one reply."""

    def __init__(self, situation: Situation, seed: int) -> None:
        self._message = situation.message[:_READ_CHARS]
        self._plan = situation.plan
        self._facts = _fitting(situation.facts, situation.message)
        self._previous = situation.previous_replies
        self._key = f"{seed}\0{situation.message}\0{len(situation.previous_replies)}"
        self._manner = situation.plan.manner

    def say(self, *path: str) -> str:
        """A line of `builtin.toml` in the person's manner."""
        table: Any = _lines()
        for name in path:
            table = table[name]
        return self._pick(table.get(self._manner) or table["neutral"], ".".join(path))

    def by_plan(self) -> str:
        """The plan's strategies in their order, with at most two facts after what reflects the message."""
        parts: list[str] = []
        if "good_news" in self._plan.signals:
            parts.append(self.say("good_news"))
        strategies = self._plan.strategies if self._plan.length != "short" else self._plan.strategies[:2]
        told = False
        for strategy in dict.fromkeys((*strategies, *(s for s in self._plan.strategies if s == "question"))):
            if strategy == "question" and not told:
                parts.append(self._told())
                told = True
            parts.append(self._part(strategy))
        if not told:
            parts.append(self._told())
        if self._has_steps(strategies):
            asked = parts.pop() if strategies[-1] == "question" else ""
            return "\n".join(part for part in (self.joined(*parts), self._steps(), asked) if part)
        return self.joined(*parts)

    def memories(self) -> str:
        """What was told that fits, or that nothing does."""
        lines = _lines()["memories"]
        if not self._facts:
            return self._pick(lines["none"], "memories.none")
        rows = [f"- “{fact}”" if _FIRST_PERSON.search(fact) else f"- {fact}" for fact in self._facts]
        return "\n".join([self._pick(lines["some"], "memories.some"), *rows[:_MAX_FACTS_LISTED]])

    def in_language(self, language: str) -> str:
        """The little that can be said in another language, with the best facts as they stand."""
        lines = _lines()["language"][language]
        said = self._pick(lines["say"], f"language.{language}")
        return self.joined(said, *(lines["fact"].replace("{fact}", fact) for fact in self._facts[:2]))

    def truthfully(self, asked: _AskedWho) -> str:
        """That nobody human answers, in the language it was asked in."""
        return self._pick(asked.say, f"asked_who.{asked.language}")

    def joined(self, *parts: str) -> str:
        """The parts that say something, as one text."""
        return " ".join(part for part in parts if part)

    def _part(self, strategy: str) -> str:
        if strategy == "restatement":
            return self._restatement()
        if strategy == "reflection_of_feelings":
            return self._feeling()
        if strategy == "affirmation":
            calm = "good_news" in self._plan.signals or self._plan.category == "everyday"
            return "" if calm or "loss" in self._plan.signals else self.say("affirmation")
        if strategy == "providing_suggestions":
            return self._suggestion()
        if strategy == "information":
            return self.say("cannot_look_up") if "asks_information" in self._plan.signals else ""
        if "asks_information" in self._plan.signals:
            return ""
        if self._plan.asks_about is not None:
            return self._pick(_lines()["elicit"][self._plan.asks_about], "elicit")
        if "loss" in self._plan.signals:
            return self.say("question", "loss")
        asked = self._plan.category == "everyday" and self._message.rstrip().endswith("?")
        return self.say("question", "asked" if asked else self._plan.category)

    def _restatement(self) -> str:
        if "asks_information" in self._plan.signals:
            return ""
        if "loss" in self._plan.signals and self._manner in ("lively", "orderly", "quiet"):
            return ""
        if judges_self(self._message):
            return self.say("self_judgement")
        if self._plan.level != "none":
            return self.say("unmirrored")
        clause, quote = mirror(self._message), quotable(self._message)
        if clause is not None:
            return self.say("restatement").replace("{mirror}", clause)
        if quote is not None:
            return self.say("quotation").replace("{quote}", quote)
        return self.say("unmirrored")

    def _feeling(self) -> str:
        if "loss" in self._plan.signals:
            return self.say("loss")
        word = next((say for say, pattern in _feelings() if _stands(pattern, self._message)), None)
        if word is None:
            return "" if self._plan.category == "everyday" else self.say("reflection_unnamed")
        line = self.say("reflection_of_feelings").replace("{feeling}", word).replace("{Feeling}", word.capitalize())
        return _VOWEL.sub(r"\1n ", line)

    def _suggestion(self) -> str:
        if self._has_steps(self._plan.strategies):
            return ""
        first = self.say("suggestion", self._plan.category)
        wants_steps = self._plan.structure > 0.6 and self._manner in ("neutral", "gentle", "open")
        return self.joined(first, self.say("steps") if wants_steps else "")

    def _has_steps(self, strategies: Sequence[str]) -> bool:
        """Whether the suggestions stand below as a numbered list, as somebody orderly likes it."""
        return self._manner == "orderly" and "providing_suggestions" in strategies

    def _steps(self) -> str:
        steps = _lines()["list"][self._plan.category]
        return "\n".join(f"{place}. {step}" for place, step in enumerate(steps, start=1))

    def _told(self) -> str:
        """The best fact, a second one where the reply may be long."""
        wanted = self._facts[: 2 if self._plan.length == "long" else 1]
        if not wanted:
            return ""
        said = [self._fact(fact, index) for index, fact in enumerate(wanted)]
        return self.joined(*said, "" if "question" in self._plan.strategies else self.say("fact_bridge"))

    def _fact(self, fact: str, index: int) -> str:
        name = "fact" if _FIRST_PERSON.search(fact) else "noted"
        return self._pick(_lines()[name]["neutral"], f"{name}.{index}").replace("{fact}", fact)

    def _pick(self, lines: Sequence[str], key: str) -> str:
        """One of `lines` that no previous reply used, always the same for the same situation."""
        left = [line for line in lines if not _used(line, self._previous)]
        left = left or [line for line in lines if not _used(line, self._previous[-1:])] or list(lines)
        digest = hashlib.sha256(f"{self._key}\0{key}".encode("utf-8", "surrogatepass")).digest()
        return left[int.from_bytes(digest[:8], "big") % len(left)]


def _used(line: str, replies: Sequence[str]) -> bool:
    """Whether `line`, filled with anything, stands in one of `replies`."""
    shape = re.compile(".{1,300}?".join(re.escape(piece) for piece in _PLACEHOLDER.split(line)))
    return any(shape.search(one) for one in replies)


def _stands(pattern: re.Pattern[str], message: str) -> bool:
    """Whether a word is there without being denied just before."""
    return any(_DENIED.search(message[max(0, m.start() - 24) : m.start()]) is None for m in pattern.finditer(message))


def _is_bare(situation: Situation) -> bool:
    """Whether the message says so little that only an invitation fits."""
    plan = situation.plan
    if plan.category != "everyday" or plan.level != "none" or {"good_news", "asks_advice"} & set(plan.signals):
        return False
    return "small_talk" in plan.signals or (not situation.facts and len(situation.message.split()) <= _BARE_WORDS)


def _fitting(facts: Sequence[str], message: str) -> tuple[str, ...]:
    """The facts on one line each, without those that only repeat the message."""
    newest = _plain(message)
    cleaned = (re.sub(r"\s+", " ", fact).strip() for fact in facts)
    return tuple(dict.fromkeys(fact for fact in cleaned if fact and _plain(fact) not in newest))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


@cache
def _lines() -> Mapping[str, Any]:
    return tomllib.loads(load("assistant.models", "builtin.toml"))


@cache
def _feelings() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((row["say"], re.compile(row["pattern"], re.IGNORECASE)) for row in _lines()["feeling"])


@cache
def _intents() -> tuple[_Intent, ...]:
    return tuple(_Intent(row["name"], re.compile(row["pattern"], re.IGNORECASE)) for row in _lines()["intent"])


@cache
def _asked_who() -> tuple[_AskedWho, ...]:
    return tuple(
        _AskedWho(row["language"], re.compile(row["pattern"], re.IGNORECASE), tuple(row["say"]))
        for row in _lines()["asked_who"]
    )
