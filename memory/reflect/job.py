"""One reflection job from end to end: load the turns, reflect, keep what was found, index it, end what it replaces.

A job that was killed may run again from the start: what it found is kept all at once, and a job whose findings are kept
only indexes and ends. What settings or an incognito conversation forbid is not learnt.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from memory.errors import IndexUnavailableError, MemoryLayerError, NotFoundError, ReflectionError
from memory.ledger.ledger import Ledger
from memory.ledger.reflections import FACT_IDS, REPLACES, replacements
from memory.reflect.reflect import reflect
from memory.reflect.turns import batches, reading_chars, without_crisis
from memory.supersede import Neighbours, end_replaced
from memory.types import Complete, Conversation, Fact, Job, Message, NewTraitEvidence, Reflection, Settings

log = logging.getLogger(__name__)

ObserveTraits = Callable[[Sequence[Message]], Awaitable[Sequence[NewTraitEvidence]]]
"""Finds trait evidence in the person's turns without a language model; the offline counterpart of its `traits`."""

_EARLIER_TURNS = 20
_KNOWN_FACTS = 30
_NEAREST_FACTS = 8
"""To each of the person's turns, of the last so many."""
_NEAR_TURNS = 8
_NEAR_CHARS = 1_000


class FactIndex(Neighbours, Protocol):
    """Where facts are made findable, found and dropped; adding one again changes nothing."""

    @property
    def own(self) -> bool:
        """Whether it may be made anew when it is damaged."""
        ...

    async def add_many(self, facts: Sequence[Fact]) -> None:
        """Add the facts.

        Raises:
            MemoryLayerError: they could not be added.
        """
        ...

    async def rebuild(self, person_id: str, facts: Sequence[Fact]) -> None:
        """Put these facts in the place of what is there, damaged or not.

        Raises:
            MemoryLayerError: they could not be put there.
        """
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job, in numbers that may be logged."""

    facts: int = 0
    traits: int = 0
    ended: int = 0
    """Known facts that the new ones replaced."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    skipped: str = ""
    """Why nothing was to be learnt; empty when it was."""


@dataclass(frozen=True, slots=True)
class ReflectionJob:
    """What is needed to run jobs of kind `reflect`, whose payload is `{"conversation_id", "message_ids"}`."""

    ledger: Ledger
    index: FactIndex
    complete: Complete | None
    batch_chars: int
    worker_id: str
    observe_traits: ObserveTraits | None = None

    async def run(self, job: Job) -> Outcome:
        """Do all of a claimed job but marking it as done.

        Raises:
            ReflectionError: the payload is not one, or the model failed; nothing was kept.
            JobLostError: another worker has the job now; nothing was kept.
            MemoryLayerError: the ledger or the index failed; running the job again completes it.
        """
        if FACT_IDS in job.payload:
            return await self._settle(job.person_id, job.payload[FACT_IDS], job.payload.get(REPLACES))
        conversation_id, message_ids = _read_payload(job)
        allowed = await self._allowed(job.person_id, conversation_id)
        if isinstance(allowed, str):
            return Outcome(skipped=allowed)
        turns, earlier = await self._load(job.person_id, conversation_id, message_ids)
        if not any(turn.role == "user" for turn in turns):
            return Outcome(skipped="no turn of the person is left")
        reflection = await self._reflect(job.person_id, turns, earlier)
        if self.complete is None and self.observe_traits is not None:
            # Facts by rules are there at once: they need not wait for the traits, and for the model that those need.
            if reflection.facts:
                await self.ledger.reflections.keep(job, self.worker_id, conversation_id, reflection, final=False)
            reflection = replace(reflection, traits=await self._traits(turns, self.observe_traits))
        # Asked again: minds change while a model thinks.
        allowed = await self._allowed(job.person_id, conversation_id)
        if isinstance(allowed, str):
            return Outcome(skipped=allowed)
        conversation, settings = allowed
        if not settings.persona:
            reflection = replace(reflection, traits=())
        if conversation.synthetic_dates:
            reflection = _seen_now(reflection)
        facts = await self.ledger.reflections.keep(job, self.worker_id, conversation_id, reflection)
        replaces = replacements(facts, reflection) if reflection.by == "model" else None
        settled = await self._settle(job.person_id, [fact.id for fact in facts], replaces)
        return replace(settled, facts=len(facts), traits=len(reflection.traits), dropped=reflection.dropped)

    async def _allowed(self, person_id: str, conversation_id: str) -> tuple[Conversation, Settings] | str:
        """Return where something may be learnt, or in words why it may not."""
        try:
            conversation = await self.ledger.conversations.get(person_id, conversation_id)
        except NotFoundError:
            return "the conversation is gone"
        if conversation.incognito:
            return "the conversation is incognito"
        settings = await self.ledger.settings.get(person_id)
        return (conversation, settings) if settings.memory else "memory is turned off"

    async def _load(
        self, person_id: str, conversation_id: str, message_ids: Sequence[str]
    ) -> tuple[list[Message], list[Message]]:
        """Return the turns of the job, those still there, oldest first, and some turns before them."""
        found: dict[str, Message] = {}
        earlier: list[Message] = []
        for message_id in reversed(message_ids):
            if message_id in found:
                continue
            try:
                path = await self.ledger.messages.path(person_id, message_id, len(message_ids) + _EARLIER_TURNS)
            except NotFoundError:
                continue
            path = [message for message in path if message.conversation_id == conversation_id]
            found.update({message.id: message for message in path if message.id in message_ids})
            first = next((place for place, message in enumerate(path) if message.id in message_ids), 0)
            earlier = path[max(0, first - _EARLIER_TURNS) : first]
        return [found[message_id] for message_id in message_ids if message_id in found], earlier

    async def _reflect(self, person_id: str, turns: Sequence[Message], earlier: Sequence[Message]) -> Reflection:
        whole = Reflection(by="model" if self.complete else "offline")
        known = await self._known(person_id, turns) if self.complete else []
        for batch in self._batches(turns):
            part = await reflect(batch, known, self.complete, earlier=earlier)
            whole = _joined(whole, part)
            earlier = [*earlier, *batch][-_EARLIER_TURNS:]
        return whole

    async def _traits(self, turns: Sequence[Message], observe: ObserveTraits) -> tuple[NewTraitEvidence, ...]:
        own = [[turn for turn in without_crisis(batch) if turn.role == "user"] for batch in self._batches(turns)]
        return tuple([seen for batch in own for seen in await observe(batch)])

    def _batches(self, turns: Sequence[Message]) -> Iterator[list[Message]]:
        return batches([(reading_chars(turn.role, turn.text), turn) for turn in turns], self.batch_chars)

    async def _known(self, person_id: str, turns: Sequence[Message]) -> list[Fact]:
        """Return the facts near to what was said, those the replies used and may be taken up again, and the newest."""
        used = [id for turn in turns for id in (turn.explanation or {}).get("fact_ids") or []]
        near = await self._nearest(person_id, turns)
        newest, _ = await self.ledger.facts.list(person_id, limit=_KNOWN_FACTS)
        known = {fact.id: fact for fact in (*await self.ledger.facts.many(person_id, [*near, *used]), *newest)}
        return list(known.values())

    async def _nearest(self, person_id: str, turns: Sequence[Message]) -> list[str]:
        """Return the ids of the facts near to the person's turns, nearest first; none where the index fails."""
        said = [turn.text[:_NEAR_CHARS] for turn in turns if turn.role == "user" and turn.text.strip()]
        best: dict[str, float] = {}
        try:
            for text in said[-_NEAR_TURNS:]:
                for fact_id, cosine in await self.index.search(person_id, text, _NEAREST_FACTS):
                    best[fact_id] = max(cosine, best.get(fact_id, -1.0))
        except MemoryLayerError as error:
            # What was said is still worth learning; a broken index fails the job where facts are made findable.
            log.warning("reflection goes on without the nearest facts: %s", type(error).__name__)
        return sorted(best, key=lambda fact_id: -best[fact_id])

    async def _settle(
        self, person_id: str, fact_ids: Sequence[str], replaces: Mapping[str, Collection[str]] | None
    ) -> Outcome:
        """Make kept facts findable and end what they replace; `replaces` is None where rules decide."""
        # Read anew: what was forgotten in the meantime must not come back through the index.
        facts = await self.ledger.facts.many(person_id, fact_ids)
        if not facts:
            return Outcome()
        await self._index(person_id, facts)
        ended = await end_replaced(self.ledger, self.index, facts, replaces)
        return Outcome(facts=len(facts), ended=len(ended))

    async def _index(self, person_id: str, facts: Sequence[Fact]) -> None:
        """Make facts findable, with a new index where the old one is damaged."""
        try:
            await self.index.add_many(facts)
        except IndexUnavailableError as error:
            if not self.index.own:
                raise
            log.warning("a damaged index is built again: %s", error)
            await self.index.rebuild(person_id, [fact async for fact in self.ledger.facts.all_active(person_id)])


def _read_payload(job: Job) -> tuple[str, list[str]]:
    conversation_id, message_ids = job.payload.get("conversation_id"), job.payload.get("message_ids")
    if not isinstance(conversation_id, str) or not isinstance(message_ids, list):
        raise ReflectionError(f"job {job.id} names no conversation_id and message_ids")
    return conversation_id, [str(id) for id in message_ids]


def _seen_now(reflection: Reflection) -> Reflection:
    """Let trait evidence date from today: a date that was made up for order's sake must not make it old."""
    now = datetime.now(UTC)
    return replace(reflection, traits=tuple(replace(trait, observed_at=now) for trait in reflection.traits))


def _joined(one: Reflection, other: Reflection) -> Reflection:
    dropped = dict(one.dropped)
    for reason, count in other.dropped.items():
        dropped[reason] = dropped.get(reason, 0) + count
    return Reflection(
        one.facts + other.facts, one.traits + other.traits, other.feeling or one.feeling, dropped, other.by
    )
