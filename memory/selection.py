"""Which facts a message calls up, of those that are known: the scores and the choice, without any storage.

Shared by `Recall`, which reads facts from ledger and index, and by training, whose facts come from records: the same
facts and the same message give the same choice. Whether a fact belongs to a message at all, and which of those that do
belongs most, are two questions with a number each. The score admits: half the nearness of the message to the fact,
half the nearness of the message's single words to it (a long message hides what one word says), and a little for words
that both share. The rank orders what is admitted: the same, less what is near to everything, and in the choice a
little for the kind of the fact and for how new it is.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from memory.asked import as_answered
from memory.config import RecallConfig
from memory.embedder import Vectors
from memory.lexical import content_words, shared
from memory.tokens import estimate_tokens
from memory.types import Fact, Kind, RecalledFact

CANDIDATES = 64
"""So many of the nearest facts are scored."""
_WORDS = 16
_TOP_SHARE = 5
"""Of every so many words one counts, the one nearest to the fact: most words of a message are about something else."""
_TELLING_SHARE = 3
"""For ranking, one of every so many: they are taken above the mean of the facts, so the others would count nothing."""
_EVERYDAY = 8
"""A fact is as near to everyday requests in general as to the nearest so many of them."""
_EVERYDAY_WEIGHT = 0.5
"""Takes off half of that, as cross-domain similarity local scaling does for what is near to everything."""
_OWN_WEIGHT = 0.3
"""And so much of its nearness to the middle of the facts found, most of whom say something alike."""
_READABLE = 0.7
"""Share of words the model must know; below, it finds everything similar, and only shared words tell."""
_BESIDE_THE_BEST = 0.6
"""Facts below this part of the best score came along by chance."""
_SAME = 0.95
"""Facts with a cosine above this and the same telling words say the same; either alone is not enough."""


_OFTEN_MEANT = frozenset({Kind.PREFERENCE, Kind.RELATIONSHIP, Kind.BOUNDARY, Kind.IDENTITY, Kind.BACKGROUND})
"""Kinds that messages are about more often than their number would have it; docs/memory.md gives the figures."""
_UNCONFIRMED = 0.8
"""What an inferred fact's rank counts until the person confirms it."""


class Reader(Protocol):
    """What reads texts: the embedder, or what stands before it."""

    @property
    def everyday(self) -> Vectors:
        """The vectors of everyday requests."""

    async def embed(self, texts: Sequence[str], *, together: bool = False) -> Vectors:
        """Return one unit vector per text."""

    def familiarity(self, text: str) -> float:
        """Return the share of the words that are known whole."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fact near a message, with what it says."""

    fact_id: str
    text: str
    vector: Vectors


@dataclass(frozen=True, slots=True)
class Scored:
    """A fact near a message, and how well it belongs to it."""

    candidate: Candidate
    score: float
    rank: float
    """Greater belongs more; comparable only among the facts of one message."""


async def score(
    message: str,
    near: Callable[[Vectors], Awaitable[Sequence[Candidate]]],
    embedder: Reader,
    config: RecallConfig,
) -> list[Scored]:
    """Return the facts that belong to `message`, those that rank highest first; `near` gives the `CANDIDATES` nearest.

    Where `min_score` is not positive, nothing is held to be off the point.

    Raises:
        EmbedderError: the embedding model is not loaded, or failed.
    """
    _one_thread()
    message = as_answered(message)
    words = content_words(message)
    telling = sorted(words, key=len, reverse=True)[:_WORDS]
    vectors = await embedder.embed([message, *telling], together=True)
    found = await near(vectors[0])
    if not found:
        return []
    facts = np.stack([one.vector for one in found])
    lexical = config.lexical_weight * np.array(shared(words, [content_words(one.text) for one in found]))
    admitted = _nearness(vectors[0], vectors[1:], facts) + lexical
    ranked = _specific(vectors[0], vectors[1:], facts, embedder.everyday) + lexical
    readable = embedder.familiarity(message) >= _READABLE
    scored = [
        Scored(one, float(score), float(rank))
        for one, score, rank, common in zip(found, admitted, ranked, lexical, strict=True)
        if readable or common > 0
    ]
    best = max((one.score for one in scored), default=0.0)
    floor = max(config.min_score, _BESIDE_THE_BEST * best) if config.min_score > 0 else config.min_score
    return sorted((one for one in scored if one.score >= floor), key=lambda one: -one.rank)


@cache
def _one_thread() -> None:
    """Have numpy multiply on one thread: several wait for each other busily, many times as long as these take."""
    threadpool_limits(1, user_api="blas")


def choose(
    scored: Sequence[Scored], facts: Mapping[str, Fact], excluded: frozenset[str], budget: int, config: RecallConfig
) -> tuple[RecalledFact, ...]:
    """Choose in order of rank, the newer of equals first, what is in `facts`, new, allowed and fits.

    Facts that rest on nothing but the `excluded` messages are left out; `budget` is in tokens.
    """
    held = [found for found in scored if found.candidate.fact_id in facts]
    newest = max((facts[found.candidate.fact_id].valid_from for found in held), default=None)
    if newest is not None:
        held.sort(key=lambda found: _place(found, facts[found.candidate.fact_id], newest, config), reverse=True)
    chosen: list[Scored] = []
    for found in held:
        fact = facts[found.candidate.fact_id]
        cost = estimate_tokens(fact.text)
        if len(chosen) == config.limit:
            break
        if cost > budget or rests_on(fact, excluded) or any(_same(found, other) for other in chosen):
            continue
        budget -= cost
        chosen.append(found)
    return tuple(RecalledFact(facts[found.candidate.fact_id], found.score) for found in chosen)


def _place(found: Scored, fact: Fact, newest: datetime, config: RecallConfig) -> tuple[float, datetime]:
    """What a fact is ordered by; one that was inferred stands back until the person says that it is right.

    How new it is counts from the newest of those that are compared, so that the choice needs no clock.
    """
    kind = config.kind_weight if fact.kind in _OFTEN_MEANT else 0.0
    days = (newest - fact.valid_from) / timedelta(days=1)
    recency = config.recency_weight * 0.5 ** (days / config.recency_half_life_days)
    rank = found.rank * (_UNCONFIRMED if fact.unconfirmed else 1.0)
    return round(rank + kind + recency, 2), fact.valid_from


def fitting(facts: Sequence[Fact], excluded: frozenset[str], budget: int) -> tuple[RecalledFact, ...]:
    """Return those of `facts` that are allowed and fit, in their order, without a score."""
    chosen = []
    for fact in facts:
        cost = estimate_tokens(fact.text)
        if cost <= budget and not rests_on(fact, excluded):
            budget -= cost
            chosen.append(RecalledFact(fact, 0.0))
    return tuple(chosen)


def _nearness(message: Vectors, words: Vectors, facts: Vectors) -> Vectors:
    """Return how near each fact is: the mean of the message's cosine and that of its best words.

    A message without a telling word, such as a greeting or a bare feeling, counts half.
    """
    whole: Vectors = facts @ message
    if not len(words):
        return whole / np.float32(2)
    counted = math.ceil(len(words) / _TOP_SHARE)
    single: Vectors = np.sort(facts @ words.T, axis=1)[:, -counted:].mean(axis=1)
    return (whole + single) / np.float32(2)


def _specific(message: Vectors, words: Vectors, facts: Vectors, everyday: Vectors) -> Vectors:
    """Return how much nearer each fact is to this message than to any: comparable among these facts alone."""
    whole: Vectors = facts @ message
    if len(words):
        single = facts @ words.T
        counted = math.ceil(len(words) / _TELLING_SHARE)
        whole = (whole + np.sort(single - single.mean(axis=0), axis=1)[:, -counted:].mean(axis=1)) / np.float32(2)
    anyhow = np.sort(facts @ everyday.T, axis=1)[:, -_EVERYDAY:].mean(axis=1)
    alike: Vectors = facts @ facts.mean(axis=0)
    specific: Vectors = whole - np.float32(_EVERYDAY_WEIGHT) * anyhow - np.float32(_OWN_WEIGHT) * alike
    return specific


def rests_on(fact: Fact, excluded: frozenset[str]) -> bool:
    """Say whether all the evidence of a fact stands in the excluded messages."""
    return bool(fact.evidence) and all(evidence.message_id in excluded for evidence in fact.evidence)


def _same(one: Scored, other: Scored) -> bool:
    near = float(one.candidate.vector @ other.candidate.vector) > _SAME
    return near and set(content_words(one.candidate.text)) == set(content_words(other.candidate.text))
