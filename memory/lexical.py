"""The words of a text that carry meaning, and how far two texts share them: the light partner of cosine similarity.

For every language the same: whole words without case, and pairs of neighbouring characters where a script writes no
spaces. The only thing known of single languages is a list of words that say nothing on their own.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.resources import files

_WORD = re.compile(r"\w+")
_CLITIC = re.compile(r"(?<=\w)['’](?:s|m|re|ve|ll|d|t)\b")
_ELISION = re.compile(r"\b(?:l|d|j|m|t|s|n|c|qu|un|dell|all|nell|sull)['’](?=\w)")
_UNSPACED = re.compile(r"[぀-ヿ㐀-鿿฀-๿]+")
_EMPTY_CHARACTERS = frozenset("我你您他她它们的了是在不没有这那吗呢吧么什哪谁怎和也都就很个会要能可以说去来")
_HIRAGANA = re.compile(r"[぀-ゟ]")
_RARE_BELOW = 10
"""As if so many more facts were known, without the word: with few facts, counting says little about what is rare."""
_SATURATION = 8.0
"""So much shared weight, about two or three rare words, is as much as there is to have."""


@cache
def _stopwords() -> frozenset[str]:
    return frozenset(files("memory").joinpath("stopwords.txt").read_text(encoding="utf-8").split())


def content_words(text: str) -> list[str]:
    """Return the different words of `text` that carry meaning, as written but for case, in order."""
    folded = (text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()
    if "'" in folded or "’" in folded:
        folded = _ELISION.sub(" ", _CLITIC.sub(" ", folded))
    words = _WORD.findall(folded)
    if not folded.isascii() and _UNSPACED.search(folded):
        words = [part for word in words for part in (_pairs(word) if _UNSPACED.search(word) else [word])]
    empty = _stopwords()
    return [word for word in dict.fromkeys(words) if word not in empty and (len(word) > 1 or not word.isascii())]


def shared(message: Sequence[str], facts: Sequence[Sequence[str]]) -> list[float]:
    """Return for each fact how much of its meaning the message shares, 0 to 1; words rare among the facts weigh more.

    Both sides are content words.
    """
    wanted = {_stem(word) for word in message}
    theirs = [{_stem(word) for word in fact} for fact in facts]
    holding = Counter(word for words in theirs for word in words)
    total = len(facts) + _RARE_BELOW
    weight = {word: math.log(1 + total / (count + 0.5)) for word, count in holding.items()}
    return [min(1.0, sum(weight[word] for word in words & wanted) / _SATURATION) for words in theirs]


def _pairs(run: str) -> list[str]:
    """Return the pairs of neighbours, without those of grammar alone."""
    pairs = [run[at : at + 2] for at in range(len(run) - 1)] or [run]
    return [pair for pair in pairs if not (_EMPTY_CHARACTERS & set(pair)) and not _HIRAGANA.search(pair)]


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    """Drop the plural of Latin scripts, so that `dogs` is `dog`."""
    if len(word) < 4 or not word.isascii() or word.endswith("ss"):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("ches", "shes", "xes", "sses")) else word.removesuffix("s")
