"""A reply while it is being spoken: pieces as the model makes them, screened by sentence where care is needed.

The speech can be stopped at any moment and keeps what was said so far. It never raises for what the model says, only
for the model failing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal, TypeVar

from assistant.models.door import Finished, TextDelta
from assistant.safety.screen import screen_reply

T = TypeVar("T")

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？\n])")

Outcome = Literal["complete", "stopped", "unsafe"]


@dataclass(slots=True)
class Speech:
    """What was said so far, and how it ended."""

    text: str = ""
    outcome: Outcome = "complete"
    reason: str = ""
    """Why the reply was unsafe."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cut: bool = False
    """Whether the model stopped at its most tokens."""

    async def listen(
        self, stream: AsyncGenerator[TextDelta | Finished], stop: asyncio.Event, *, careful: bool
    ) -> AsyncGenerator[str]:
        """Yield what may be sent.

        `careful` holds every sentence back until it has been screened and ends the reply before the first that fails;
        otherwise pieces pass at once and the whole is screened at the end, for the caller to retract.
        """
        pending = ""
        async with aclosing(_until(stop, stream)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Finished):
                    self.prompt_tokens, self.completion_tokens = piece.prompt_tokens, piece.completion_tokens
                    self.cut = piece.reason == "length"
                    break
                text = cleaned(piece.text)
                if not careful:
                    self.text += text
                    yield text
                    continue
                *sentences, pending = _split(pending + text)
                for sentence in sentences:
                    if self._fails(sentence):
                        return
                    self.text += sentence
                    yield sentence
        if stop.is_set():
            self.outcome = "stopped"
        if careful and pending and not self._fails(pending):
            self.text += pending
            yield pending
        elif not careful:
            self._fails(self.text)

    def _fails(self, text: str) -> bool:
        reason = screen_reply(text)
        if reason is None:
            return False
        self.outcome, self.reason = "unsafe", reason
        return True


def cleaned(text: str) -> str:
    """Return what a model said without NULs and halves of surrogate pairs, which nothing can keep or send."""
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _split(text: str) -> list[str]:
    """Split after sentence ends, keeping every character; the last part is still open."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]


async def _until(stop: asyncio.Event, source: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """Pass `source` on until it ends or `stop` is set, then close it, which aborts the work upstream."""
    stopped = asyncio.ensure_future(stop.wait())
    try:
        while not stop.is_set():
            coming = asyncio.ensure_future(anext(source))
            try:
                await asyncio.wait({coming, stopped}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                coming.cancel()
                raise
            if not coming.done():
                coming.cancel()
                await asyncio.wait({coming})
                return
            try:
                piece = coming.result()
            except StopAsyncIteration:
                return
            yield piece
    finally:
        stopped.cancel()
        await source.aclose()
