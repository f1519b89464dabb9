"""What the learned part of the screen sees of a text: strings that name its parts, in time linear in the text.

Character and word sequences of canonical text, and the concepts of `concepts.toml` alone, in order and side by side, so
that what was learned in one language counts in another. The same text gives the same features everywhere.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.language import detect_language
from assistant.safety.rules import simplified
from memory.once import once
from memory.template import load

CATEGORIES = ("self_harm", "harm_to_others", "abuse", "eating_disorder", "psychosis_or_mania")
"""What a message may be a sign of."""
Block = Literal["characters", "words", "concepts"]
_LATIN_LONGEST = 5
_CJK_LONGEST = 4
_CONCEPT_REACH = 6
"""A concept is paired with so many that follow it."""
_LONGEST_CJK = 8
_SHORTEST_STEM = 2
_ELIDED = ("l", "d", "j", "m", "n", "s", "t", "c", "qu")
_VOWELS = "aeiouyh"
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff々]")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The concepts of one language: words and phrases, stems, and the longest phrase."""

    words: Mapping[str, tuple[str, ...]]
    stems: Mapping[str, tuple[str, ...]]
    longest: int


def features(text: str, language: str) -> dict[Block, list[str]]:
    """Return the features of canonical `text`, by block; a feature that occurs twice stands there twice."""
    text = simplified(text) if language == "zh" else text
    found = concepts(text, language)
    return {
        "characters": list(_characters(text)),
        "words": list(_sequences(text.split())),
        "concepts": list(_pairs(found)),
    }


def language_of(message: str) -> str:
    """Return the language whose concepts are looked up in `message`."""
    return detect_language(message)


def concepts(text: str, language: str) -> list[str]:
    """Return the concepts of canonical `text` in order; `.` and `,` stand for themselves."""
    cjk = language in ("zh", "ja")
    return list(_in_characters(text, lexicon(language)) if cjk else _in_words(text, lexicon(language)))


@once
def lexicon(language: str) -> Lexicon:
    """Read the concepts of a language, once; English serves where there are none."""
    data = tomllib.loads(load("assistant.safety", "concepts.toml"))
    words: dict[str, list[str]] = {}
    stems: dict[str, list[str]] = {}
    longest = 1
    for concept, entries in data.items():
        for entry in entries.get(language, entries["en"]).split(","):
            word = entry.strip()
            for form in _forms(word.rstrip("*"), language):
                (stems if word.endswith("*") else words).setdefault(form, []).append(concept)
                longest = max(longest, len(form) if language in ("zh", "ja") else len(form.split()))
    return Lexicon(_frozen(words), _frozen(stems), longest)


def _frozen(found: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {word: tuple(dict.fromkeys(concepts)) for word, concepts in found.items()}


def _forms(word: str, language: str) -> Iterator[str]:
    """The word, and with what French leaves before a vowel: canonical text has no apostrophes."""
    yield word
    if language == "fr" and word[:1] in _VOWELS:
        yield from (f"{before}{word}" for before in _ELIDED)


def _in_words(text: str, known: Lexicon) -> Iterator[str]:
    tokens = text.split()
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token in (".", ",", '"'):
            yield token
            position += 1
            continue
        for length in range(min(known.longest, len(tokens) - position), 1, -1):
            phrase = " ".join(tokens[position : position + length])
            if phrase in known.words:
                yield from known.words[phrase]
                position += length
                break
        else:
            yield from _of_word(token, known)
            position += 1


def _of_word(token: str, known: Lexicon) -> Sequence[str]:
    if token in known.words:
        return known.words[token]
    if token[0].isdigit():
        return ("number",)
    for end in range(min(len(token), 16), _SHORTEST_STEM, -1):
        if token[:end] in known.stems:
            return known.stems[token[:end]]
    return ()


def _in_characters(text: str, known: Lexicon) -> Iterator[str]:
    position = 0
    while position < len(text):
        for length in range(min(_LONGEST_CJK, len(text) - position), 0, -1):
            piece = text[position : position + length]
            if piece in known.words:
                yield from known.words[piece]
                position += length
                break
        else:
            if text[position] in '.,"':
                yield text[position]
            elif text[position].isdigit() and not text[position - 1 : position].isdigit():
                yield "number"
            position += 1


def _characters(text: str) -> Iterator[str]:
    """Sequences of 2 to 5 characters inside and across words, of 1 to 4 where a text is Chinese or Japanese."""
    padded = f" {text} "
    cjk = len(_CJK.findall(text)) * 4 >= len(text)
    shortest, longest = (1, _CJK_LONGEST) if cjk else (2, _LATIN_LONGEST)
    for length in range(shortest, longest + 1):
        for start in range(len(padded) - length + 1):
            yield f"{length}{padded[start : start + length]}"


def _sequences(words: Sequence[str]) -> Iterator[str]:
    """Words alone, in twos and threes, and in twos with one or two left out."""
    for position, word in enumerate(words):
        yield f"w{word}"
        if position + 1 < len(words):
            yield f"w{word} {words[position + 1]}"
        if position + 2 < len(words):
            yield f"w{word} {words[position + 1]} {words[position + 2]}"
            yield f"s{word} {words[position + 2]}"
        if position + 3 < len(words):
            yield f"s{word} {words[position + 3]}"


def _pairs(found: Sequence[str]) -> Iterator[str]:
    """Concepts alone, next to each other, and beside each other within a few of the same sentence."""
    named = [one for one in found if one not in ',"']
    for position, concept in enumerate(named):
        if concept == ".":
            continue
        yield f"c{concept}"
        if position + 1 < len(named):
            yield f"n{concept} {named[position + 1]}"
        if position + 2 < len(named) and "." not in named[position + 1 : position + 3]:
            yield f"t{concept} {named[position + 1]} {named[position + 2]}"
        for other in named[position + 1 : position + 1 + _CONCEPT_REACH]:
            if other != ".":
                yield "p" + " ".join(sorted((concept, other)))
