"""Turns of a conversation, and a language model for reflection, as short as tests want to write them."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from memory.types import CrisisLevel, Message

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)


def person(text: str, id: str = "m1", crisis_level: CrisisLevel | None = None, parent_id: str | None = None) -> Message:
    """What the person said."""
    return Message(id, "c1", "p1", parent_id, "user", text, NOON, crisis_level=crisis_level)


def reply(text: str, id: str = "r1", parent_id: str | None = None) -> Message:
    """What the assistant said."""
    return Message(id, "c1", "p1", parent_id, "assistant", text, NOON + timedelta(seconds=1))


@dataclass(frozen=True, slots=True)
class Asked:
    """One recorded call."""

    messages: tuple[Mapping[str, str], ...]
    schema: Mapping[str, Any] | None

    @property
    def text(self) -> str:
        return "\n".join(message["content"] for message in self.messages)


Answer = str | Exception | Callable[[Asked], Awaitable[str]]


class ScriptedComplete:
    """Answers with its script in turn, then with the last answer again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = deque(answers)
        self.asked: list[Asked] = []

    async def __call__(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any] | None = None) -> str:
        asked = Asked(tuple(messages), schema)
        self.asked.append(asked)
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, str) else await answer(asked)
