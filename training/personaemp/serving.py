"""The prompt of an example: the one that serving would send for the same person, memories and message.

Facts are scored, chosen and fitted by `memory.selection`, what is known anyway by `memory.profile`, the plan comes from
`assistant.support`, the messages from `assistant.prompt.compose`. Where a prompt would be too long, compose leaves out
the oldest turns and then the least relevant memories; how many memories went is told, and a message that is too long by
itself is refused, never cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from assistant.config import ModelConfig
from assistant.models.door import ChatMessage
from assistant.prompt import Preset, compose, prompt_hash
from assistant.safety.screen import CONTEXT_MESSAGES, screen
from assistant.support import may_elicit, plan
from memory.asked import asks_what_is_remembered
from memory.config import RecallConfig
from memory.embedder import Vectors
from memory.profile import profile
from memory.selection import CANDIDATES, Candidate, Reader, choose, fitting, score
from memory.tokens import estimate_tokens
from memory.types import Evidence, Fact, Message, Persona, RecalledFact, TraitEstimate
from memory.types import Trait as MemoryTrait
from training.example import Trait
from training.kinds import kind_of
from training.personaemp.drops import DroppedError
from training.personaemp.record import Posterior, RecordMemory, Turn

_SERVED = ModelConfig()
_HISTORY = 200
"""As many earlier messages as a turn of the chat reads."""
_BEFORE_DATES = datetime(2000, 1, 1, tzinfo=UTC)
"""Undated memories stand here, a second apart, in their order."""


class PromptConfig(BaseModel):
    """How prompts are made; it must be that of the server which will use the policy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Preset = "paper"
    """`paper`: memories and message; `full`: persona and plan besides."""
    context_tokens: int = Field(default=_SERVED.context_tokens, ge=512)
    max_reply_tokens: int = Field(default=_SERVED.max_tokens, ge=1)
    recall: RecallConfig = RecallConfig()

    @property
    def hash(self) -> str:
        """The hash by which serving knows the prompt."""
        return prompt_hash(self.preset)


@dataclass(frozen=True, slots=True)
class Prompted:
    """A prompt and what it holds."""

    messages: tuple[ChatMessage, ...]
    memories: tuple[RecordMemory, ...]
    """Those that are in it, best first: the recalled ones, then the profile."""
    left_out: int
    """Memories for which there was no room."""
    profile: int = 0
    """How many of `memories`, the last, are known anyway: the message did not call them up."""


class Prompter:
    """Makes prompts; holds nothing of any person."""

    def __init__(self, embedder: Reader, config: PromptConfig) -> None:
        self._embedder = embedder
        self._config = config

    async def prompt(
        self,
        message: str,
        memories: Sequence[RecordMemory],
        history: Sequence[Turn] = (),
        traits: Mapping[Trait, Posterior] | None = None,
        anyway: Sequence[RecordMemory] | None = None,
    ) -> Prompted:
        """Return the prompt for `message`, with what `memories` it calls up and the profile.

        `anyway` is a profile that was chosen before; None has it chosen from `memories`.

        Raises:
            DroppedError: the message alone is too long (`too_long`), or tells of a crisis (`crisis`).
            EmbedderError: the embedding model failed.
        """
        config, persona = self._config, _persona(traits or {})
        earlier = [_message(turn) for turn in history[-_HISTORY:]]
        said = [one.text for one in earlier if one.role == "user"][-CONTEXT_MESSAGES:]
        screened = await asyncio.to_thread(screen, message, said)
        if screened.crisis:
            raise DroppedError("prompt", "crisis")
        replies = [one for one in earlier if one.role == "assistant"]
        asked = bool(replies) and replies[-1].text.rstrip().endswith(("?", "？"))
        elicits = may_elicit([None] * len(replies))
        support = plan(message, persona, screened, asked_before=asked, may_elicit=elicits)
        recalled, known = await self._recalled(message, memories)
        found = [*recalled, *(known if anyway is None else anyway)]

        def composed(count: int) -> tuple[ChatMessage, ...]:
            return compose(
                config.preset,
                plan=support,
                persona=persona,
                history=earlier,
                facts=[memory.text for memory in found[: min(count, len(recalled))]],
                message=message,
                profile=[memory.text for memory in found[len(recalled) : count]],
                context_tokens=config.context_tokens,
                max_reply_tokens=config.max_reply_tokens,
            )

        messages = composed(len(found))
        kept = len(found)
        while kept and composed(kept - 1) == messages:
            kept -= 1
        if kept == 0 and _tokens(messages) > config.context_tokens - config.max_reply_tokens:
            raise DroppedError("prompt", "too_long")
        return Prompted(messages, tuple(found[:kept]), len(found) - kept, max(0, kept - len(recalled)))

    async def _recalled(
        self, message: str, memories: Sequence[RecordMemory]
    ) -> tuple[list[RecordMemory], list[RecordMemory]]:
        """Return what `message` calls up, and what is known anyway."""
        if not memories:
            return [], []
        recall = self._config.recall
        known = {memory.id: memory for memory in memories}
        facts = {memory.id: _fact(memory, place) for place, memory in enumerate(memories)}
        found = await self._called_up(message, memories, facts)
        anyway = profile(list(facts.values()), found, (), recall.token_budget, recall)
        return [known[one.fact.id] for one in found], [known[fact.id] for fact in anyway]

    async def _called_up(
        self, message: str, memories: Sequence[RecordMemory], facts: Mapping[str, Fact]
    ) -> tuple[RecalledFact, ...]:
        recall = self._config.recall
        if asks_what_is_remembered(message):
            newest = sorted(facts.values(), key=lambda fact: fact.valid_from, reverse=True)[: recall.limit]
            return fitting(newest, frozenset(), recall.token_budget)
        vectors = await self._embedder.embed([one.text for one in memories])

        async def near(vector: Vectors) -> list[Candidate]:
            cosines = vectors @ vector
            best = np.argsort(-cosines, kind="stable")[:CANDIDATES]
            return [Candidate(memories[i].id, memories[i].text, vectors[i]) for i in best]

        scored = await score(message, near, self._embedder, recall)
        return choose(scored, facts, frozenset(), recall.token_budget, recall)


def _persona(traits: Mapping[Trait, Posterior]) -> Persona:
    """What is believed of somebody, as serving has it: of whom nothing is known, that they are as people are."""
    unknown = Posterior(mean=50.0, sd=10.0, evidence=0, level=None)
    beliefs = {trait: traits.get(trait.value, unknown) for trait in MemoryTrait}
    return Persona({trait: TraitEstimate(trait, one.mean, one.sd, one.evidence) for trait, one in beliefs.items()}, "")


def _fact(memory: RecordMemory, place: int) -> Fact:
    return Fact(
        id=memory.id,
        person_id="",
        text=memory.text,
        kind=kind_of(memory.label),
        confidence=memory.confidence,
        origin="inferred" if memory.unconfirmed else "stated",
        evidence=tuple(Evidence(id, "") for id in memory.message_ids),
        valid_from=memory.at or _BEFORE_DATES + timedelta(seconds=place),
    )


def _message(turn: Turn) -> Message:
    at = turn.at or _BEFORE_DATES
    return Message(turn.id, turn.conversation, "", None, turn.role, turn.text, at)


def _tokens(messages: Sequence[ChatMessage]) -> int:
    return sum(estimate_tokens(message["content"]) for message in messages)
