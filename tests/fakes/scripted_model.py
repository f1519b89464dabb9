"""A language model whose answers are written by the test, behind the same door as the real ones."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

from assistant.errors import ModelError, ModelGarbledError
from assistant.models.door import ChatMessage, Finished, ModelIdentity, Prompt, Sampling, TextDelta
from tests.fakes.gate import Gate

Piece: TypeAlias = str | Gate | Exception
Script: TypeAlias = str | Exception | Sequence[Piece]
"""A text (streamed word by word), an error, or pieces; an error among the pieces is raised at that point."""
Reply: TypeAlias = Script | Callable[[Sequence[ChatMessage]], Script]

IDENTITY = ModelIdentity("openai_compatible", "scripted", "A script answers; nothing leaves this machine.")


def words(text: str) -> list[str]:
    """Cut a text into the pieces in which it is streamed; joined they are the text again."""
    return re.findall(r"\s*\S+\s*$|\s*\S+|\s+$", text)


@dataclass(frozen=True, slots=True)
class Completion:
    """One recorded call of `complete`."""

    messages: tuple[ChatMessage, ...]
    sampling: Sampling
    schema: Mapping[str, Any] | None


class ScriptedModel:
    """Answers with its scripts in turn, then with `default`.

    `complete` takes from `completions` while there are any, else from the same scripts as `stream`.
    """

    def __init__(
        self,
        *replies: Reply,
        completions: Sequence[Reply] = (),
        default: Reply = "I hear you.",
        identity: ModelIdentity = IDENTITY,
    ) -> None:
        self.identity = identity
        self.replies: deque[Reply] = deque(replies)
        self.scripted_completions: deque[Reply] = deque(completions)
        self.default = default
        self.down: ModelError | None = None
        """While set, `check`, `stream` and `complete` raise it."""
        self.prompts: list[Prompt] = []
        """Every prompt streamed, oldest first."""
        self.samplings: list[Sampling] = []
        self.completions: list[Completion] = []
        """Every call of `complete`, oldest first."""
        self.finished = 0
        """Streams that reached their end."""
        self.aborted = 0
        """Streams that were closed or cancelled before their end."""
        self.was_aborted = asyncio.Event()
        self.closed = False

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[TextDelta | Finished, None]:
        """Yield the next script's pieces and then Finished."""
        self.prompts.append(prompt)
        self.samplings.append(sampling)
        done = False
        sent = 0
        try:
            async with aclosing(self._play(self.replies, prompt.messages)) as pieces:
                async for piece in pieces:
                    sent += 1
                    yield TextDelta(piece)
            done = True
            self.finished += 1
            yield Finished("stop", prompt_tokens=len(prompt.messages), completion_tokens=sent)
        except ModelError:
            done = True
            raise
        finally:
            if not done:
                self.aborted += 1
                self.was_aborted.set()

    async def complete(
        self, messages: Sequence[ChatMessage], sampling: Sampling, schema: Mapping[str, Any] | None = None
    ) -> str:
        """Return the next script in one piece."""
        self.completions.append(Completion(tuple(messages), sampling, schema))
        scripts = self.scripted_completions or self.replies
        text = "".join([piece async for piece in self._play(scripts, messages)])
        if not text:
            raise ModelGarbledError("the scripted model answered nothing")
        return text

    async def check(self) -> None:
        """Raise `down` while it is set."""
        if self.down is not None:
            raise self.down

    async def aclose(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    async def _play(self, scripts: deque[Reply], messages: Sequence[ChatMessage]) -> AsyncGenerator[str, None]:
        if self.down is not None:
            raise self.down
        reply = scripts.popleft() if scripts else self.default
        script = reply(messages) if callable(reply) else reply
        pieces: Sequence[Piece] = (
            words(script) if isinstance(script, str) else [script] if isinstance(script, Exception) else script
        )
        for piece in pieces:
            if isinstance(piece, Gate):
                await piece.passing()
            elif isinstance(piece, Exception):
                raise piece
            else:
                await asyncio.sleep(0)
                yield piece
