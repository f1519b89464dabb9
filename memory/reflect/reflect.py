"""Turns of one conversation -> facts, trait evidence and feeling, with one schema-constrained model call per batch.

Guarantees: every fact and every trait judgement rests on words that stand in a message of the person, at the turn that
was named; the assistant's words are context and never a source; crisis turns never reach the model; what fails a check
is dropped and counted by reason; a failed call raises ReflectionError and is never an empty result.

Without a language model, offline.py gives the same result from rules.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from memory.errors import ReflectionError
from memory.reflect.echoes import without_echoes
from memory.reflect.offline import reflect_offline
from memory.reflect.schema import ANSWER_SCHEMA, Answer, FoundFact, FoundTrait, parse
from memory.reflect.turns import MAX_FACT_CHARS, REPLY_CHARS, batches, without_crisis
from memory.template import fill, load
from memory.types import (
    Complete,
    Evidence,
    Fact,
    FactOrigin,
    Kind,
    Message,
    NewFact,
    NewTraitEvidence,
    Reflection,
    Role,
    Trait,
)

MAX_CALL_CHARS = 8_000
"""So much of the turns goes into one call; more turns than that take several calls."""
MAX_CALLS = 8
"""What lies beyond so many calls of one batch is not read, and counted."""
MAX_QUOTE_CHARS = 500
MAX_FINDINGS = 50
"""More facts, or more trait judgements, than this in one batch are dropped."""

_EARLIER_TURNS = 4
_KNOWN_CHARS = 3_000
_FEELING_CHARS = 40

_KINDS: Collection[str] = frozenset(Kind)
_TRAITS: Collection[str] = frozenset(Trait)
_ORIGINS: Mapping[str, FactOrigin] = {"stated": "stated", "inferred": "inferred"}
_DIRECTIONS: Mapping[str, Literal[-1, 1]] = {"high": 1, "low": -1}
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_SAME_MARKS = {mark: f"[{marks}]" for marks in ("'’‘ʼ", '"“”„') for mark in marks}

_Found = TypeVar("_Found")
_Kept = TypeVar("_Kept")


async def reflect(
    turns: Sequence[Message],
    known: Sequence[Fact],
    complete: Complete | None,
    *,
    earlier: Sequence[Message] = (),
) -> Reflection:
    """Reflect on `turns`, oldest first, of one conversation.

    Args:
        turns: what to learn from; crisis turns and the replies to them are left out.
        known: facts that are not to be extracted again, those that matter most first; a new one may replace one.
        complete: the language model; None reflects by rules.
        earlier: turns before these, for context only; nothing is learnt from them.

    Raises:
        ReflectionError: the model failed, refused, or answered something that is not the schema.
    """
    turns = without_crisis(turns)
    if complete is None:
        return without_echoes(reflect_offline(turns, earlier=earlier), [*earlier, *turns])
    calls = [call for call in _calls(turns) if any(piece.message.role == "user" for piece in call)]
    findings = _Findings()
    known = _shown(known)
    for call in calls[:MAX_CALLS]:
        findings.take(await _ask(call, known, without_crisis(earlier), complete), call, known)
    if unread := sum(len(call) for call in calls[MAX_CALLS:]):
        findings.dropped["beyond the limit"] += unread
    return without_echoes(findings.reflection(), [*earlier, *turns])


# ---------------------------------------------------------------- what the model is shown


@dataclass(frozen=True, slots=True)
class _Piece:
    """One numbered line of the prompt: a turn, or a part of a long one."""

    message: Message
    text: str


def _calls(turns: Sequence[Message]) -> list[list[_Piece]]:
    pieces = [
        _Piece(message, text)
        for message in turns
        if message.status != "retracted" and message.text.strip()
        for text in (_parts(message.text) if message.role == "user" else [message.text[:REPLY_CHARS]])
    ]
    return list(batches([(len(piece.text), piece) for piece in pieces], MAX_CALL_CHARS))


def _parts(text: str) -> Iterator[str]:
    """Cut `text` into parts that fit a call, after white space where there is some."""
    start = 0
    while len(text) - start > MAX_CALL_CHARS:
        end = start + MAX_CALL_CHARS
        middle = start + MAX_CALL_CHARS // 2
        cut = max(text.rfind("\n", middle, end), text.rfind(" ", middle, end))
        end = cut + 1 if cut > 0 else end
        yield text[start:end]
        start = end
    yield text[start:]


async def _ask(call: Sequence[_Piece], known: Sequence[Fact], earlier: Sequence[Message], complete: Complete) -> Answer:
    prompt = fill(load("memory.reflect", "reflect.md"), known=_known(known), turns=_turns(call, earlier))
    try:
        answer = await complete([{"role": "user", "content": prompt}], ANSWER_SCHEMA)
    except Exception as error:
        raise ReflectionError(f"the model could not answer: {type(error).__name__}: {error}"[:500]) from error
    return parse(answer)


def _shown(known: Sequence[Fact]) -> list[Fact]:
    """Return as many of the known facts as there is room for."""
    shown: list[Fact] = []
    room = _KNOWN_CHARS
    for fact in known:
        room -= len(fact.text)
        if room < 0:
            break
        shown.append(fact)
    return shown


def _known(shown: Sequence[Fact]) -> str:
    lines = (
        json.dumps({"known": number, "text": fact.text}, ensure_ascii=False) for number, fact in enumerate(shown, 1)
    )
    return "\n".join(lines) or "(nothing yet)"


def _turns(call: Sequence[_Piece], earlier: Sequence[Message]) -> str:
    """Write each turn as one line of JSON, which nothing inside a turn can close."""
    lines = [_line("earlier", message.role, message.text[:REPLY_CHARS]) for message in earlier[-_EARLIER_TURNS:]]
    lines += [_line(number, piece.message.role, piece.text) for number, piece in enumerate(call, start=1)]
    return "\n".join(lines)


def _line(turn: int | str, role: Role, text: str) -> str:
    said_by = "person" if role == "user" else "assistant"
    return json.dumps({"turn": turn, "said_by": said_by, "text": _UNPRINTABLE.sub(" ", text)}, ensure_ascii=False)


# ---------------------------------------------------------------- what is taken from the answer


class _DroppedError(Exception):
    """One finding fails a check; its message is the reason that is counted."""


class _Findings:
    """Collects what passes the checks and counts what does not."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self._facts: list[NewFact] = []
        self._traits: list[NewTraitEvidence] = []
        self._feeling: str | None = None

    def take(self, answer: Answer, call: Sequence[_Piece], shown: Sequence[Fact]) -> None:
        for found in answer.facts:
            if found.replaces is not None and not _replaced(found.replaces, shown):
                self.dropped["replaces no known fact"] += 1
            self._keep(self._facts, partial(_fact, shown=shown), found, call)
        for seen in answer.traits:
            self._keep(self._traits, _trait, seen, call)
        feeling = _tidy(answer.feeling or "")
        if len(feeling) > _FEELING_CHARS:
            self.dropped["feeling too long"] += 1
        elif feeling:
            self._feeling = feeling

    def _keep(
        self,
        kept: list[_Kept],
        check: Callable[[_Found, Sequence[_Piece]], _Kept],
        found: _Found,
        call: Sequence[_Piece],
    ) -> None:
        if len(kept) >= MAX_FINDINGS:
            self.dropped["too many"] += 1
            return
        try:
            checked = check(found, call)
        except _DroppedError as reason:
            self.dropped[str(reason)] += 1
            return
        if checked in kept:
            self.dropped["said twice"] += 1
        else:
            kept.append(checked)

    def reflection(self) -> Reflection:
        return Reflection(tuple(self._facts), tuple(self._traits), self._feeling, dict(self.dropped), "model")


def _fact(found: FoundFact, call: Sequence[_Piece], shown: Sequence[Fact]) -> NewFact:
    message, evidence = _evidence(found.turn, found.quote, call)
    text = _tidy(found.text)
    if not any(character.isalnum() for character in text):
        raise _DroppedError("no text")
    if len(text) > MAX_FACT_CHARS:
        raise _DroppedError("text too long")
    if found.kind not in _KINDS:
        raise _DroppedError("unknown kind")
    if found.origin not in _ORIGINS:
        raise _DroppedError("unknown origin")
    if not 0 <= found.confidence <= 1:
        raise _DroppedError("confidence out of range")
    origin = _ORIGINS[found.origin]
    kind, replaces = Kind(found.kind), _replaced(found.replaces, shown)
    return NewFact(text, kind, found.confidence, origin, (evidence,), message.created_at, replaces)


def _replaced(number: int | None, shown: Sequence[Fact]) -> tuple[str, ...]:
    return (shown[number - 1].id,) if number is not None and 1 <= number <= len(shown) else ()


def _trait(found: FoundTrait, call: Sequence[_Piece]) -> NewTraitEvidence:
    message, evidence = _evidence(found.turn, found.quote, call)
    if found.trait not in _TRAITS:
        raise _DroppedError("unknown trait")
    if found.direction not in _DIRECTIONS:
        raise _DroppedError("unknown direction")
    if not 0 < found.strength <= 1:
        raise _DroppedError("strength out of range")
    item = _tidy(found.item or "")[:MAX_FACT_CHARS] or None
    direction = _DIRECTIONS[found.direction]
    return NewTraitEvidence(
        Trait(found.trait), direction, found.strength, evidence, message.created_at, item, source="model"
    )


def _evidence(turn: int, quote: str, call: Sequence[_Piece]) -> tuple[Message, Evidence]:
    if not 1 <= turn <= len(call):
        raise _DroppedError("no such turn")
    message = call[turn - 1].message
    if message.role != "user":
        raise _DroppedError("not the person's turn")
    if sum(character.isalnum() for character in quote) < 2:
        raise _DroppedError("no quote")
    if len(quote) > MAX_QUOTE_CHARS:
        raise _DroppedError("quote too long")
    span = _find(quote, message.text)
    if span is None:
        raise _DroppedError("quote not in the turn")
    return message, Evidence(message.id, span)


def _find(quote: str, text: str) -> str | None:
    """Return the span of `text` that reads as `quote`, whatever the white space and the shape of quotation marks."""
    words = (
        "".join(_SAME_MARKS.get(character) or re.escape(character) for character in word) for word in quote.split()
    )
    found = re.search(r"\s+".join(words), text)
    return found[0] if found else None


def _tidy(text: str) -> str:
    """Return `text` on one line, without what cannot be stored or shown."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())
