"""How often kinds of words come in a sentence, weighed by how published studies found them to go with the traits.

A weak sign that costs nothing: single words correlate with a trait at .1 to .2 at most, and only over much text.
English only. The kinds, their sources and what is ours in them stand in words.toml.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from memory.types import Trait

TRAITS = tuple(Trait)

MOST = 3.0
"""No clause's words lean further than this: one rare word of a kind is far from independent chance."""
SMOOTHING = 5
"""Words added to a sentence's length, so that a rate over three words is not taken at face value."""
TYPICAL_WORDS = 10
"""The length at which the scale is one standard deviation."""

_NEGATORS = frozenset(
    (
        "no",
        "not",
        "never",
        "nothing",
        "nobody",
        "none",
        "nor",
        "neither",
        "cannot",
        "without",
        "hardly",
        "rarely",
        "barely",
    )
)
_REACH = 3
"""So many words after a negator, words of feeling are not counted: "not at all afraid" is no fear."""
_FEELINGS = frozenset(("positive emotion", "optimism", "negative emotion", "anxiety", "anger"))

_WORD = re.compile(r"[a-z]+(?:[-'][a-z]+)*")
_STRAIGHT = str.maketrans("’‘ʼ", "'''")


@dataclass(frozen=True, slots=True)
class _Kinds:
    """All kinds of words at once."""

    patterns: tuple[re.Pattern[str], ...]
    rates: NDArray[np.float64]
    """Expected share of all words, per kind."""
    weights: NDArray[np.float64]
    """(kinds, traits): correlation over the spread of a count, so that a rare kind counts as much as a common one."""
    feelings: frozenset[int]
    """Which kinds a negator takes back."""
    spread: NDArray[np.float64]
    """Per trait: standard deviation over sentences of the typical length, were words independent."""


def words(text: str) -> list[str]:
    """Cut `text` into lower-case words."""
    return _WORD.findall(text.translate(_STRAIGHT).lower())


def is_negator(word: str) -> bool:
    """Whether the word turns what follows around."""
    return word in _NEGATORS or word.endswith("n't")


def word_scores(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return (n, 5): how far the words of each text lean to the high (+) or low (-) end of each trait.

    Zero is everyday speech; the unit is about one standard deviation over sentences. Within `MOST`, linear in the
    words, so that the mean over many sentences is what the whole text says.
    """
    kinds = _kinds()
    counts = np.zeros((len(texts), len(kinds.patterns)))
    lengths = np.zeros((len(texts), 1))
    for row, text in enumerate(texts):
        found = words(text)
        lengths[row] = len(found)
        negated_until = -1
        for place, word in enumerate(found):
            of = _kinds_of(word)
            if is_negator(word):
                negated_until = place + _REACH
            elif place <= negated_until:
                of = tuple(kind for kind in of if kind not in kinds.feelings)
            counts[row, list(of)] += 1
    surplus = counts - lengths * kinds.rates
    scores: NDArray[np.float64] = surplus @ kinds.weights / (lengths + SMOOTHING) / kinds.spread
    return scores.clip(-MOST, MOST)


@lru_cache(maxsize=50_000)
def _kinds_of(word: str) -> tuple[int, ...]:
    return tuple(place for place, pattern in enumerate(_kinds().patterns) if pattern.fullmatch(word))


@cache
def _kinds() -> _Kinds:
    rows = tomllib.loads(files("memory.persona").joinpath("words.toml").read_text(encoding="utf-8"))["kind"]
    correlations = np.array([[row["correlations"].get(trait, 0.0) for trait in TRAITS] for row in rows])
    rates = np.array([row["rate"] for row in rows])
    return _Kinds(
        patterns=tuple(_pattern(row["words"].split()) for row in rows),
        rates=rates,
        weights=correlations / np.sqrt(rates)[:, None],
        feelings=frozenset(place for place, row in enumerate(rows) if row["name"] in _FEELINGS),
        spread=np.sqrt((correlations**2).sum(0)) * math.sqrt(TYPICAL_WORDS) / (TYPICAL_WORDS + SMOOTHING),
    )


def _pattern(entries: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(entry).replace(r"\*", ".*") for entry in entries))
