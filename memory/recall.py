"""What a message calls up: the few facts about the person that belong to it, and none when none does.

A fact's score is half the nearness of the message to the fact, half the nearness of the message's single words to it
(a long message hides what one word says), and a little for words that both share. What reaches `min_score` is checked
against the ledger, which alone says what is active and whose it is. A question for what is remembered calls up the
newest facts. Recall keeps to a deadline, never raises and never blocks the event loop. Where the embedding model is not
loaded, or too slow, telling words that message and fact share are all that is compared, and the status says so.
`timeout` and `failed` are said too, and are not the same as nothing to recall. It embeds and reads: noting what was
used is the caller's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from memory.asked import asks_what_is_remembered
from memory.config import RecallConfig
from memory.embedder import Vectors
from memory.errors import MemoryLayerError
from memory.index import Index
from memory.ledger.ledger import Ledger
from memory.lexical import content_words, shared
from memory.store import Neighbour
from memory.types import Fact, RecalledFact, Recollection

log = logging.getLogger(__name__)

_CANDIDATES = 64
_WORDS = 16
_TOP_SHARE = 5
"""Of every so many words one counts, the one nearest to the fact: most words of a message are about something else."""
_READABLE = 0.7
"""Share of words the model must know; below, it finds everything similar, and only shared words tell."""
_BESIDE_THE_BEST = 0.6
"""Facts below this part of the best score came along by chance."""
_TELLING = 0.25
"""By words alone, a fact must share at least one that is rare among the person's facts."""
_BY_WORDS = 500
"""So many of the newest facts are read where there is no index to ask."""
_WORDS_MS = 100
_SAME = 0.95
"""Facts with a cosine above this and the same telling words say the same; either alone is not enough."""


@dataclass(frozen=True, slots=True)
class _Scored:
    neighbour: Neighbour
    score: float


class Recall:
    """Looks up facts for a message; one for all people."""

    def __init__(self, ledger: Ledger, index: Index, config: RecallConfig) -> None:
        self._ledger = ledger
        self._index = index
        self._config = config

    async def recall(
        self,
        person_id: str,
        message: str,
        *,
        exclude_message_ids: Collection[str] = (),
        budget_tokens: int | None = None,
    ) -> Recollection:
        """Return what `message` calls up, best first, within `budget_tokens` (None: as configured).

        Facts that rest on nothing but `exclude_message_ids` are left out: those words are in the prompt already.
        Whether the person allows recall is the caller's question.
        """
        begun = time.perf_counter()
        budget = self._config.token_budget if budget_tokens is None else budget_tokens
        try:
            found = await self._look_up(person_id, message, frozenset(exclude_message_ids), budget)
        except TimeoutError:
            found = Recollection(status="timeout", detail="the facts could not be read in time")
        except MemoryLayerError as error:
            log.warning("recall failed: %s", error)
            found = Recollection(status="failed", detail=str(error))
        except Exception as error:
            # The turn goes on without memory whatever breaks; the trace names the fault, the text stays out of the log.
            log.exception("recall failed unexpectedly")
            found = Recollection(status="failed", detail=type(error).__name__)
        return replace(found, elapsed_ms=(time.perf_counter() - begun) * 1000)

    async def _look_up(self, person_id: str, message: str, excluded: frozenset[str], budget: int) -> Recollection:
        if asks_what_is_remembered(message):
            facts = await self._newest(person_id, self._config.limit)
            return Recollection(_fitting(facts, excluded, budget))
        if not self._index.embedder.loaded:
            self._index.embedder.start()
            why = self._index.embedder.problem or "the embedding model is still loading"
        else:
            why = f"meaning took longer than {self._config.deadline_ms} ms"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._config.deadline_ms / 1000):
                    scored = await self._scored(person_id, message)
                    facts = await self._owned(person_id, [found.neighbour.fact_id for found in scored])
                return Recollection(self._chosen(scored, {fact.id: fact for fact in facts}, excluded, budget))
        async with asyncio.timeout(_WORDS_MS / 1000):
            recalled = await self._by_words(person_id, message, excluded, budget)
        return Recollection(recalled, "words", detail=f"compared by words alone: {why}")

    async def _scored(self, person_id: str, message: str) -> list[_Scored]:
        words = content_words(message)
        telling = sorted(words, key=len, reverse=True)[:_WORDS]
        vectors = await self._index.embedder.embed([message, *telling], together=True)
        near = await self._index.near(person_id, vectors[0], _CANDIDATES)
        if not near:
            return []
        meaning = _nearness(vectors[0], vectors[1:], np.stack([found.vector for found in near]))
        common = shared(words, [content_words(found.text) for found in near])
        readable = self._index.embedder.familiarity(message) >= _READABLE
        scored = [
            _Scored(found, float(nearness) + self._config.lexical_weight * lexical)
            for found, nearness, lexical in zip(near, meaning, common, strict=True)
            if readable or lexical > 0
        ]
        best = max((found.score for found in scored), default=0.0)
        floor = max(self._config.min_score, _BESIDE_THE_BEST * best)
        return sorted((found for found in scored if found.score >= floor), key=lambda found: -found.score)

    async def _newest(self, person_id: str, limit: int) -> list[Fact]:
        return (await asyncio.shield(self._ledger.facts.list(person_id, limit=limit)))[0]

    async def _by_words(
        self, person_id: str, message: str, excluded: frozenset[str], budget: int
    ) -> tuple[RecalledFact, ...]:
        """Return the facts that share telling words with the message, those that share most first."""
        facts = await self._newest(person_id, _BY_WORDS)
        common = shared(content_words(message), [content_words(fact.text) for fact in facts])
        ranked = sorted(zip(facts, common, strict=True), key=lambda pair: -pair[1])
        telling = {fact.id: score for fact, score in ranked if score >= _TELLING}
        recalled = _fitting([fact for fact, _ in ranked if fact.id in telling][: self._config.limit], excluded, budget)
        return tuple(RecalledFact(found.fact, telling[found.fact.id]) for found in recalled)

    async def _owned(self, person_id: str, ids: Sequence[str]) -> list[Fact]:
        """Return those that the ledger holds as active facts of this person."""
        # Shielded: a query that is cancelled half-way costs its connection.
        return await asyncio.shield(self._ledger.facts.many(person_id, ids)) if ids else []

    def _chosen(
        self, scored: Sequence[_Scored], facts: dict[str, Fact], excluded: frozenset[str], budget: int
    ) -> tuple[RecalledFact, ...]:
        """Choose in order of score, the newer of equals first, what is new, allowed and fits."""
        held = [found for found in scored if found.neighbour.fact_id in facts]
        held.sort(key=lambda found: (round(found.score, 2), facts[found.neighbour.fact_id].valid_from), reverse=True)
        chosen: list[_Scored] = []
        for found in held:
            fact = facts[found.neighbour.fact_id]
            cost = estimate_tokens(fact.text)
            if len(chosen) == self._config.limit:
                break
            if cost > budget or _rests_on(fact, excluded) or any(_same(found, other) for other in chosen):
                continue
            budget -= cost
            chosen.append(found)
        return tuple(RecalledFact(facts[found.neighbour.fact_id], found.score) for found in chosen)


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a language model needs for `text`: one per four bytes."""
    return math.ceil(len(text.encode("utf-8")) / 4)


def _fitting(facts: Sequence[Fact], excluded: frozenset[str], budget: int) -> tuple[RecalledFact, ...]:
    """Return those of `facts` that are allowed and fit, in their order, without a score."""
    chosen = []
    for fact in facts:
        cost = estimate_tokens(fact.text)
        if cost <= budget and not _rests_on(fact, excluded):
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


def _rests_on(fact: Fact, excluded: frozenset[str]) -> bool:
    """Say whether all the evidence of a fact stands in the excluded messages."""
    return bool(fact.evidence) and all(evidence.message_id in excluded for evidence in fact.evidence)


def _same(one: _Scored, other: _Scored) -> bool:
    near = float(one.neighbour.vector @ other.neighbour.vector) > _SAME
    return near and set(content_words(one.neighbour.text)) == set(content_words(other.neighbour.text))
