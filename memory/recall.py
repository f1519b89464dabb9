"""What a message calls up: the few facts about the person that belong to it, and none when none does.

How facts are scored and chosen is memory.selection's. What the index finds near is read from the ledger, which alone
says what is active, whose it is and how it reads. A question for what is remembered calls up the newest facts. Apart
from those, what is known of the person anyway (memory.profile) fills what they leave of the budget. Recall keeps to a
deadline, never raises and never blocks the event loop. Where the embedding model is not loaded, or too slow, or the
index is missing or damaged, telling words that message and fact share are all that is compared, and the status says so;
a damaged index is told to `mend`. `timeout` and `failed` are said too, and are not the same as nothing to recall. It
embeds and reads: noting what was used is the caller's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from memory.asked import asks_what_is_remembered
from memory.config import RecallConfig
from memory.embedder import Vectors
from memory.errors import EmbedderError, IndexUnavailableError, MemoryLayerError
from memory.index import Index
from memory.ledger.ledger import Ledger
from memory.lexical import content_words, shared
from memory.profile import KINDS, SHORTLIST, profile
from memory.selection import CANDIDATES, Candidate, choose, fitting, score
from memory.stock import REPAIR
from memory.types import Fact, JobStatus, RecalledFact, Recollection


class _UnfinishedError(Exception):
    """The index is not there yet, and will be."""


log = logging.getLogger(__name__)

_TELLING = 0.25
"""By words alone, a fact must share at least one that is rare among the person's facts."""
_BY_WORDS = 500
"""So many of the newest facts are read where there is no index to ask."""
_WORDS_SHARE = 2 / 3
"""Of the deadline, for comparing words once meaning took too long."""


class Recall:
    """Looks up facts for a message; one for all people."""

    def __init__(
        self, ledger: Ledger, index: Index, config: RecallConfig, mend: Callable[[str], None] = lambda _person_id: None
    ) -> None:
        """`mend` is told the person whose index is missing or damaged."""
        self._ledger = ledger
        self._index = index
        self._config = config
        self._mend = mend

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
        excluded = frozenset(exclude_message_ids)
        try:
            found, known = await asyncio.gather(
                self._look_up(person_id, message, excluded, budget), self._known_anyway(person_id)
            )
            found = replace(found, profile=profile(known, found.facts, excluded, budget, self._config))
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

    async def current(self, person_id: str, recollection: Recollection) -> Recollection:
        """Return what still holds of what was recalled: since then something may have been forgotten or corrected.

        Never raises: where the ledger cannot say, nothing of it is used.
        """
        ids = [*(found.fact.id for found in recollection.facts), *(fact.id for fact in recollection.profile)]
        try:
            texts = {fact.id: fact.text for fact in await self._owned(person_id, ids)}
        except MemoryLayerError as error:
            log.warning("what was recalled cannot be looked at again: %s", error)
            return Recollection(status="failed", elapsed_ms=recollection.elapsed_ms, detail=str(error))
        return replace(
            recollection,
            facts=tuple(found for found in recollection.facts if texts.get(found.fact.id) == found.fact.text),
            profile=tuple(fact for fact in recollection.profile if texts.get(fact.id) == fact.text),
        )

    async def _look_up(self, person_id: str, message: str, excluded: frozenset[str], budget: int) -> Recollection:
        if asks_what_is_remembered(message):
            async with asyncio.timeout(self._config.deadline_ms / 1000):
                facts = await self._newest(person_id, self._config.limit)
            return Recollection(fitting(facts, excluded, budget))
        why, broken = f"meaning took longer than {self._config.deadline_ms} ms", False
        if not self._index.embedder.loaded:
            self._index.embedder.start()
            problem = self._index.embedder.problem
            why, broken = problem or "the embedding model is still loading", problem is not None
        else:
            try:
                async with asyncio.timeout(self._config.deadline_ms / 1000):
                    return await self._by_meaning(person_id, message, excluded, budget)
            except TimeoutError:
                pass
            except _UnfinishedError as unfinished:
                why = str(unfinished)
            except (IndexUnavailableError, EmbedderError) as error:
                log.warning("recall by words: %s", error)
                why, broken = str(error), True
                if isinstance(error, IndexUnavailableError):
                    self._mend(person_id)
        async with asyncio.timeout(_WORDS_SHARE * self._config.deadline_ms / 1000):
            recalled = await self._by_words(person_id, message, excluded, budget)
        return Recollection(recalled, "words", detail=f"compared by words alone: {why}", broken=broken)

    async def _by_meaning(self, person_id: str, message: str, excluded: frozenset[str], budget: int) -> Recollection:
        known: dict[str, Fact] = {}

        async def near(vector: Vectors) -> Sequence[Candidate]:
            vectors = {one.fact_id: one.vector for one in await self._index.near(person_id, vector, CANDIDATES)}
            if not vectors:
                await self._expect_nothing(person_id)
            known.update({fact.id: fact for fact in await self._owned(person_id, list(vectors))})
            return [Candidate(fact.id, fact.text, vectors[fact.id]) for fact in known.values()]

        scored = await score(message, near, self._index.embedder, self._config)
        return Recollection(choose(scored, known, excluded, budget, self._config))

    async def _expect_nothing(self, person_id: str) -> None:
        """Return when it is right that the index holds nothing of this person."""
        count = await asyncio.shield(self._ledger.facts.count(person_id))
        if not count:
            return
        unfinished: tuple[JobStatus, ...] = ("pending", "running")
        for status in unfinished:
            if await asyncio.shield(self._ledger.jobs.list(status, person_id, limit=1)):
                raise _UnfinishedError("what was learned last is still being put into the index")
        raise IndexUnavailableError(f"the index holds nothing of {person_id}, who has {count} facts. {REPAIR}")

    async def _known_anyway(self, person_id: str) -> list[Fact]:
        """Return what a profile may be chosen from; nothing where that fails, which costs the reply little."""
        if not (self._config.profile_limit and self._config.profile_share):
            return []
        try:
            async with asyncio.timeout(self._config.deadline_ms / 1000):
                return await asyncio.shield(self._ledger.facts.surest(person_id, KINDS, SHORTLIST))
        except TimeoutError:
            log.warning("recall goes on without the profile: it took longer than %d ms", self._config.deadline_ms)
        except MemoryLayerError as error:
            log.warning("recall goes on without the profile: %s", error)
        return []

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
        recalled = fitting([fact for fact, _ in ranked if fact.id in telling][: self._config.limit], excluded, budget)
        return tuple(RecalledFact(found.fact, telling[found.fact.id]) for found in recalled)

    async def _owned(self, person_id: str, ids: Sequence[str]) -> list[Fact]:
        """Return those that the ledger holds as active facts of this person."""
        # Shielded: a query that is cancelled half-way costs its connection.
        return await asyncio.shield(self._ledger.facts.many(person_id, ids)) if ids else []
