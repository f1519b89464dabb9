"""Turns -> facts and feeling without a language model: first-person statements become facts, by rules.

Guarantees: a fact's words are one sentence of the person, unchanged; questions, orders, suppositions, quotations, role
play, fiction and pasted text yield nothing; time grows linearly with the text. Weaker than a language model, and on
purpose silent where it is not sure. It finds no trait evidence: `observe_traits` of reflect.py does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from memory.reflect.feelings import feeling, is_of_feeling
from memory.reflect.language import Language, languages
from memory.reflect.plain import tells
from memory.reflect.prose import FOREIGN, is_conversation, is_role_play, is_work, own_words
from memory.reflect.rule import Rule
from memory.reflect.sentences import Sentence, sentences
from memory.reflect.turns import MAX_FACT_CHARS, without_crisis
from memory.types import Evidence, Kind, Message, NewFact, Reflection

MAX_READ_CHARS = 20_000
"""What a message says beyond this is not read, and counted."""
MAX_FACTS_PER_MESSAGE = 15
_MIN_FACT_CHARS = 5
_MAX_SLICE = 2 * MAX_FACT_CHARS
"""A statement and the request that trails it."""
_MIN_CJK_CHARS = 4

_QUIET_TURNS = 6
"""So long after work on a text or a story a plain statement may still be material for it."""

_LASTING = re.compile(
    r"\b(?:for (?:\w+ ){0,2}(?:days|weeks|months|years|ages)|these days|lately|since|always|every|constantly|"
    r"desde|siempre|a menudo|últimamente|seit|immer|oft|depuis|toujours|souvent|sempre|ultimamente|da quando)\b|"
    r"一直|总是|最近|每天|いつも|ずっと|毎日"
)

_FIRST_PERSON = re.compile(r"\b(?:i|i'm|im|i've|ive|i'd|my|me|we|our)\b")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_CLAUSE = re.compile(r"[,;:]\s+|\s+(?=(?:and|but|because|so|y|und|et|e) (?:i|my|we|mi|yo|ich|je|eu)\b)")
_STRAIGHT = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "＇": "'", "\u00a0": " "})
_NOT_KEPT = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffd]|\S@\S|https?:|www\.|\d(?:[ -]?\d){6,}|"
    rf"\b(?:password|passcode|pin code|ssn|social security|iban|cvv)\b|{FOREIGN}"
)
"""Odd characters, addresses, long numbers, secrets, and places where foreign words were blanked out."""


_INTRODUCTION = re.compile(
    r"(?:I'm|I am) (?!(?i:sorry|done|fine|ok|okay|good|not|here|back|lost|sure)\b)"
    r"([A-ZÀ-Þ][^\W\d_]+(?:[ '-][A-ZÀ-Þ][^\W\d_]+)?)[.!]*"
)
"""What is written as a name, and is all that is said: who somebody is, or where they belong."""
_CORRECTING = re.compile(r"\b(?:actually|in fact),?\s+$", re.IGNORECASE)
"""Before a statement: it puts right what was said before. It is no part of the fact, and tells what the fact ends."""
_NAMED = Rule(Kind.IDENTITY, _INTRODUCTION, 0.8)


def reflect_offline(turns: Sequence[Message], *, earlier: Sequence[Message] = ()) -> Reflection:
    """Reflect on `turns`, oldest first, of one conversation.

    Args:
        turns: what to learn from; crisis turns are left out.
        earlier: turns before these; role play that began there goes on.
    """
    facts: list[NewFact] = []
    felt: str | None = None
    dropped: Counter[str] = Counter()
    before = [_plain(turn.text[:MAX_READ_CHARS]) for turn in earlier if turn.role == "user"]
    playing = any(map(is_role_play, before))
    quiet = _quiet(before)
    for turn in without_crisis(turns):
        if turn.role != "user":
            continue
        if len(turn.text) > MAX_READ_CHARS:
            dropped["beyond the limit"] += 1
        text = turn.text[:MAX_READ_CHARS]
        low = _plain(text)
        playing = playing or is_role_play(low)
        if playing:
            dropped["role play"] += 1
            continue
        quiet = _QUIET_TURNS if is_work(low) else max(0, quiet - 1)
        own = own_words(text, low)
        if own is None:
            continue
        stated = list(_statements(own, conversation=not quiet and is_conversation(text, low, own)))
        found = [(sentence, rule) for sentence, rule in stated if not _is_passing(sentence, rule)]
        dropped["passing feeling"] += len(stated) - len(found)
        facts += [_fact(sentence, rule, turn) for sentence, rule in found[:MAX_FACTS_PER_MESSAGE]]
        dropped["too many"] += max(0, len(found) - MAX_FACTS_PER_MESSAGE)
        felt = _feeling(own) or felt
    return Reflection(tuple(facts), (), felt, {reason: count for reason, count in dropped.items() if count}, "offline")


def _quiet(before: Sequence[str]) -> int:
    """Return for how many more turns plain statements say nothing, after what was said before."""
    recent = reversed(before[-_QUIET_TURNS:])
    return next((_QUIET_TURNS - ago for ago, low in enumerate(recent) if is_work(low)), 0)


def _plain(text: str) -> str:
    """Return `text` in lower case with straight apostrophes, character for character."""
    low = text.translate(_STRAIGHT).lower()
    if len(low) != len(text):
        low = "".join(lower if len(lower := character.lower()) == 1 else character for character in text)
        low = low.translate(_STRAIGHT)
    return low


def _statements(own: str, *, conversation: bool) -> Iterator[tuple[Sentence, Rule]]:
    for whole in sentences(own):
        for sentence in _short(whole, own):
            stated, rule = _match(sentence, own)
            if rule is None and conversation:
                stated, rule = _match_plain(sentence, own)
            if rule is not None:
                yield stated, rule


def _short(sentence: Sentence, own: str) -> Iterator[Sentence]:
    """Yield the sentence, or the clauses of one that is too long."""
    if len(sentence.text) <= MAX_FACT_CHARS:
        yield sentence
        return
    start = sentence.start
    for cut in _CLAUSE.finditer(own, sentence.start, sentence.end):
        yield _slice(own, start, cut.start())
        start = cut.end()
    yield _slice(own, start, sentence.end)


def _slice(own: str, start: int, end: int) -> Sentence:
    words = own[start:end].rstrip(" \t\r\n,;:，、")
    start += len(words) - len(words.lstrip())
    return Sentence(start, start + len(words.lstrip()), " ".join(words.split()))


def _match(sentence: Sentence, own: str) -> tuple[Sentence, Rule | None]:
    """Return the rule that makes the sentence a fact, and the sentence without what leads to it or trails it."""
    if sentence.end - sentence.start > _MAX_SLICE:
        return sentence, None
    low = _plain(own[sentence.start : sentence.end])
    for language in languages():
        if not language.cue.search(low):
            continue
        stated, plain = _without_request(sentence, low, own, language)
        if _is_readable(plain) and (rule := language.match(plain)) is not None:
            return _without_lead(stated, own, language), rule
    return sentence, None


def _match_plain(sentence: Sentence, own: str) -> tuple[Sentence, Rule | None]:
    """Return what makes a sentence of a conversation a fact that no single rule knows, and that sentence."""
    if sentence.end - sentence.start > _MAX_SLICE:
        return sentence, None
    low = _plain(own[sentence.start : sentence.end])
    whole = " ".join(low.split())
    for language in languages():
        if _is_readable(whole) and (rule := language.match_asked(whole)) is not None:
            return _without_lead(sentence, own, language), rule
        stated, plain = _without_request(sentence, low, own, language)
        if _is_readable(plain) and (rule := language.match_plain(plain)) is not None:
            return _without_lead(stated, own, language), rule
    return _match_introduction(sentence, own)


def _match_introduction(sentence: Sentence, own: str) -> tuple[Sentence, Rule | None]:
    stated = _without_lead(sentence, own, languages()[0])
    found = _INTRODUCTION.fullmatch(stated.text.translate(_STRAIGHT))
    named = found is not None and not any(map(is_of_feeling, found[1].lower().split()))
    return stated, _NAMED if named else None


def _without_request(sentence: Sentence, low: str, own: str, language: Language) -> tuple[Sentence, str]:
    """Cut off the request after a statement; return what is left, also in lower case."""
    request = language.request.search(low, _MIN_CJK_CHARS)
    end = sentence.start + request.start() if request else sentence.end
    stated = _slice(own, sentence.start, end)
    return stated, _plain(stated.text)


def _is_readable(low: str) -> bool:
    return _is_size(low) and _NOT_KEPT.search(low) is None


def _without_lead(sentence: Sentence, own: str, language: Language) -> Sentence:
    lead = language.connectives.match(_plain(own[sentence.start : sentence.end]))
    shorter = _slice(own, sentence.start + lead.end(), sentence.end) if lead else sentence
    return shorter if _is_size(shorter.text) else sentence


def _is_size(low: str) -> bool:
    least = _MIN_CJK_CHARS if _CJK.search(low) else _MIN_FACT_CHARS
    return least <= len(low) <= MAX_FACT_CHARS


def _is_passing(sentence: Sentence, rule: Rule) -> bool:
    """A bare feeling of the moment: it is kept as the feeling, and says nothing to come back to later."""
    lasting = _LASTING.search(_plain(sentence.text)) is not None
    return rule.kind is Kind.STATE and not lasting and not tells(sentence.text)


def _fact(sentence: Sentence, rule: Rule, turn: Message) -> NewFact:
    correcting = _CORRECTING.search(turn.text[: sentence.start])
    quote = turn.text[correcting.start() if correcting else sentence.start : sentence.end]
    return NewFact(
        text=sentence.text,
        kind=rule.kind,
        confidence=rule.confidence,
        origin="stated",
        evidence=(Evidence(turn.id, quote),),
        observed_at=turn.created_at,
    )


def _feeling(own: str) -> str | None:
    felt = None
    for sentence in sentences(own):
        low = _plain(sentence.text)
        if "?" not in low and FOREIGN not in low:
            felt = feeling(low) or felt
    return felt
