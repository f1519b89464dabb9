"""Screening with a second look: rules and what was learned always judge; where they are in doubt, a model may raise.

A model never lowers a level. Where it fails or is late, the message counts as `concern` at least, and the failure is
counted. Without a model the first look is the whole screen.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from assistant.errors import ModelError
from assistant.metrics import Metrics
from assistant.safety.features import CATEGORIES
from assistant.safety.screen import CONTEXT_CHARS, CONTEXT_MESSAGES, LEVELS, Screen, screen, warm
from memory.template import fill, load
from memory.types import Complete, CrisisLevel

log = logging.getLogger(__name__)

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "level": {"type": "string", "enum": list(LEVELS)},
        "category": {"type": "string", "enum": ["none", *CATEGORIES]},
    },
    "required": ["level", "category"],
    "additionalProperties": False,
}
_RULE = "second_look"


@dataclass(frozen=True, slots=True)
class SecondLook:
    """A model that is asked about messages in doubt."""

    complete: Complete
    deadline_s: float
    """So long a person's message waits for it at most."""


class Screening:
    """Screens messages off the event loop."""

    def __init__(self, second_look: SecondLook | None, metrics: Metrics) -> None:
        self._second_look = second_look
        self._metrics = metrics
        self._warming: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def warming(self) -> AsyncIterator[None]:
        """Make ready meanwhile; a message that comes before then waits for it, which is no longer than doing it."""
        self._warming = asyncio.create_task(asyncio.to_thread(warm), name="warming the screen")
        try:
            yield
        finally:
            await asyncio.wait([self._warming])

    async def screen(self, message: str, own_words: Sequence[str]) -> Screen:
        """Screen `message` in the light of the person's earlier ones, oldest first; a doubtful one is looked at twice.

        Never raises but to be cancelled.
        """
        found = await self._first(message, own_words, doubts=self._second_look is not None)
        if self._second_look is None or not found.doubtful:
            return found
        try:
            level, category = await self._asked(self._second_look, message, own_words)
        except (ModelError, TimeoutError, ValueError) as error:
            log.warning("the second look at a message failed, which makes it concern: %s", type(error).__name__)
            self._metrics.second_looks.labels("failed").inc()
            return found.at_least("concern", rule=f"{_RULE}.failed")
        seen = found.at_least(level, category, rule=f"{_RULE}.{level}")
        self._metrics.second_looks.labels("kept" if seen == found else "raised").inc()
        return seen

    async def at_first(self, message: str, own_words: Sequence[str]) -> Screen:
        """Screen `message` by rules and what was learned alone."""
        return await self._first(message, own_words, doubts=False)

    async def _first(self, message: str, own_words: Sequence[str], *, doubts: bool) -> Screen:
        if self._warming is not None:
            await asyncio.wait([self._warming])
        return await asyncio.to_thread(screen, message, list(own_words[-CONTEXT_MESSAGES:]), doubts=doubts)

    @staticmethod
    async def _asked(look: SecondLook, message: str, own_words: Sequence[str]) -> tuple[CrisisLevel, str]:
        earlier = "\n".join(text[-CONTEXT_CHARS:] for text in own_words[-CONTEXT_MESSAGES:])
        prompt = fill(load("assistant.safety", "second_look.md"), earlier=earlier or "(none)", message=message)
        async with asyncio.timeout(look.deadline_s):
            answer = json.loads(await look.complete([{"role": "user", "content": prompt}], SCHEMA))
        level, category = answer.get("level"), answer.get("category")
        if level not in LEVELS:
            raise ValueError("no level")
        return cast(CrisisLevel, level), category if category in CATEGORIES else ""
