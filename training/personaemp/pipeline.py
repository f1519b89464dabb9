"""One person's record through all stages to examples; whatever is left out on the way is counted.

The same record and the same answers give the same examples, in the same order, whatever is asked at once. A call that
fails for good leaves out what it was for and is counted as a drop of its stage; one that every other call would share
(a wrong key, say) ends the build.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from memory.selection import Reader
from training.caller import Caller
from training.calls import CallError
from training.example import Category, Example, Level, Memory, PromptMessage, Trait
from training.personaemp.big_five import BIG_FIVE, Agreement, levels, settled
from training.personaemp.drops import DroppedError, Drops
from training.personaemp.inspection import INSPECTION, inspect
from training.personaemp.persona import PERSONA, Portrait, paint
from training.personaemp.query import QUERY, write_query
from training.personaemp.real import REAL, REAL_SITUATION, before, describe, pick
from training.personaemp.record import Record, RecordMemory, Turn
from training.personaemp.select import SELECT, check_intents, check_memories
from training.personaemp.serving import PromptConfig, Prompted, Prompter
from training.personaemp.situations import SITUATIONS, ground, imagine
from training.personaemp.stage import TURNS, Stage

STAGES: tuple[Stage, ...] = (SELECT, PERSONA, BIG_FIVE, SITUATIONS, QUERY, INSPECTION, REAL, REAL_SITUATION)

_T = TypeVar("_T")


class StagesConfig(BaseModel):
    """How much is made of one person."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    situations: int = Field(default=3, ge=0, le=12)
    """Moments a person, each with one written query."""
    real_queries: int = Field(default=3, ge=0, le=12)
    """Messages a person that they really sent."""
    seed: int = 0
    """Of every call."""

    @property
    def calls_a_person(self) -> int:
        """How many calls one person takes at most: intents, persona, traits, and what is made of them."""
        written = 1 + 2 * self.situations if self.situations else 0
        return 3 + written + (1 + self.real_queries if self.real_queries else 0)


class Pipeline:
    """The stages and what they share; holds nothing of any person."""

    def __init__(
        self, caller: Caller, embedder: Reader, prompts: PromptConfig, stages: StagesConfig, drops: Drops
    ) -> None:
        self.drops = drops
        self.agreement = Agreement()
        self.shortened = 0
        """Prompts that lost memories for want of room."""
        self.memories_left_out = 0
        """Memories that they lost."""
        self._caller = caller
        self._prompter = Prompter(embedder, prompts)
        self._stages = stages

    async def examples(self, record: Record) -> list[Example]:
        """Return the examples that a person's record gives; none where it is left out.

        Raises:
            CallError: the model cannot be asked at all.
            EmbedderError: memories cannot be compared.
        """
        try:
            check_memories(record)
            seed, caller = self._stages.seed, self._caller
            await self._answered(SELECT, check_intents(record, caller, seed))
            portrait = await self._answered(PERSONA, paint(record, caller, seed))
            judged = await self._answered(BIG_FIVE, levels(record, portrait, caller, seed))
        except DroppedError as dropped:
            self.drops.count(dropped)
            return []
        self.agreement.add(record, judged)
        made = _Person(self, record, portrait, settled(record, judged))
        written, real = await together(made.written(), made.real())
        return [*written, *real]

    async def _answered(self, stage: Stage, asking: Awaitable[_T]) -> _T:
        """Return what a stage answers; a call that failed for good becomes a drop."""
        try:
            return await asking
        except CallError as error:
            if error.fatal:
                raise
            raise DroppedError(stage.name, f"call_{error.kind}") from error


class _Person:
    """The part of the way that a person goes once their portrait is there."""

    def __init__(self, whole: Pipeline, record: Record, portrait: Portrait, traits: Mapping[Trait, Level]) -> None:
        self._whole = whole
        self._record = record
        self._portrait = portrait
        self._traits = traits
        # The portrait rests on all of these, and every example shows it to the judge.
        known = [id for memory in record.known() for id in _ids(memory)]
        self._sources = [*known, *(turn.id for turn in record.turns[-TURNS:])]

    async def written(self) -> list[Example]:
        """Return an example for each situation whose query passed."""
        whole, config = self._whole, self._whole._stages
        if config.situations == 0:
            return []
        try:
            asking = imagine(self._record, self._portrait, whole._caller, config.seed, config.situations)
            found = await whole._answered(SITUATIONS, asking)
        except DroppedError as dropped:
            whole.drops.count(dropped)
            return []
        whole.drops.add("situations", "over_limit", max(0, len(found) - config.situations))
        return _present(await together(*(self._of_situation(one) for one in found[: config.situations])))

    async def real(self) -> list[Example]:
        """Return an example for each message that the person really sent and that calls for empathy."""
        whole, config = self._whole, self._whole._stages
        try:
            picking = pick(self._record, whole._caller, config.seed, config.real_queries, whole.drops)
            picked = await whole._answered(REAL, picking)
        except DroppedError as dropped:
            whole.drops.count(dropped)
            return []
        return _present(await together(*(self._of_turn(turn, category) for turn, category in picked)))

    async def _of_situation(self, found: Mapping[str, Any]) -> Example | None:
        whole, seed, record = self._whole, self._whole._stages.seed, self._record
        try:
            situation = ground(record, found)
            asking = write_query(record, self._portrait, situation, whole._caller, seed)
            query = await whole._answered(QUERY, asking)
            checking = inspect(record, self._portrait, situation, query, whole._caller, seed)
            language = await whole._answered(INSPECTION, checking)
            prompted = await self._prompted(query, record.known())
        except DroppedError as dropped:
            whole.drops.count(dropped)
            return None
        return self._example(query, situation.category, situation.text, language, prompted)

    async def _of_turn(self, turn: Turn, category: Category) -> Example | None:
        whole, record = self._whole, self._record
        history, known = before(record, turn), record.known_at(turn)
        try:
            # What is believed of the traits rests on the whole history, so that the prompt must not know it.
            prompted = await self._prompted(turn.text, known, history, traits=False)
            asking = describe(record, turn, history, known, whole._caller, whole._stages.seed)
            moment = await whole._answered(REAL_SITUATION, asking)
        except DroppedError as dropped:
            whole.drops.count(dropped)
            return None
        return self._example(turn.text, category, moment.situation, moment.language, prompted, turn, history)

    async def _prompted(
        self, message: str, memories: Sequence[RecordMemory], history: Sequence[Turn] = (), *, traits: bool = True
    ) -> Prompted:
        believed = self._record.traits if traits else {}
        prompted = await self._whole._prompter.prompt(message, memories, history, believed)
        if prompted.left_out:
            self._whole.shortened += 1
            self._whole.memories_left_out += prompted.left_out
        return prompted

    def _example(
        self,
        query: str,
        category: Category,
        situation: str,
        language: str,
        prompted: Prompted,
        turn: Turn | None = None,
        history: Sequence[Turn] = (),
    ) -> Example:
        record = self._record
        named = [record.person, turn.id if turn else "", situation, query]
        return Example(
            id=hashlib.sha256("\0".join(named).encode("utf-8", "replace")).hexdigest()[:20],
            person=record.person,
            category=category,
            query=query,
            prompt=tuple(PromptMessage(role=one["role"], content=one["content"]) for one in prompted.messages),
            persona=self._portrait.profile,
            situation=situation,
            memory=tuple(_held(prompted)),
            big_five=self._traits,
            language=language,
            origin="written" if turn is None else "real",
            message_ids=tuple(
                dict.fromkeys([*self._sources, *(one.id for one in history), *([turn.id] if turn else [])])
            ),
        )


def _held(prompted: Prompted) -> Iterator[Memory]:
    recalled = len(prompted.memories) - prompted.profile
    for place, one in enumerate(prompted.memories):
        yield Memory(one.text, one.fact_id, one.message_ids, profile=place >= recalled)


async def together(*asking: Awaitable[_T]) -> list[_T]:
    """Return all results in order; the first failure stops the others and is raised as it is."""
    tasks = [asyncio.ensure_future(one) for one in asking]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _present(examples: Sequence[Example | None]) -> list[Example]:
    return [example for example in examples if example is not None]


def _ids(memory: RecordMemory) -> tuple[str, ...]:
    return memory.message_ids if memory.fact_id is None else (memory.fact_id, *memory.message_ids)
