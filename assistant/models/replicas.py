"""One model on several servers: each person keeps to one of them, and the others take over before the first token.

Keeping to one lets its prefix cache serve the whole conversation. After the first token nothing is tried elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from assistant.errors import ModelError
from assistant.models.door import ChatMessage, Finished, Model, ModelIdentity, Prompt, Sampling, TextDelta


class Replicas:
    """The servers of one policy, behind the door of one model."""

    def __init__(self, models: Sequence[Model]) -> None:
        """`models` are the same weights on each server; at least one."""
        self._models = tuple(models)

    @property
    def identity(self) -> ModelIdentity:
        """That of the first server."""
        return self._models[0].identity

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[TextDelta | Finished, None]:
        """Answer from the person's server, or from the next one that can; see `Model.stream`."""
        *first, last = self._from(prompt.cache_salt or "")
        for model in first:
            begun = False
            try:
                async with aclosing(model.stream(prompt, sampling)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                return
            except ModelError:
                if begun:
                    raise
        async with aclosing(last.stream(prompt, sampling)) as pieces:
            async for piece in pieces:
                yield piece

    async def complete(
        self, messages: Sequence[ChatMessage], sampling: Sampling, schema: Mapping[str, Any] | None = None
    ) -> str:
        """Answer in one piece; see `Model.complete`."""
        *first, last = self._models
        for model in first:
            try:
                return await model.complete(messages, sampling, schema)
            except ModelError:
                continue
        return await last.complete(messages, sampling, schema)

    async def check(self) -> None:
        """Return when any server can answer; see `Model.check`."""
        *first, last = self._models
        for model in first:
            try:
                return await model.check()
            except ModelError:
                continue
        await last.check()

    async def aclose(self) -> None:
        """Close the connections to every server."""
        for model in self._models:
            await model.aclose()

    def _from(self, salt: str) -> tuple[Model, ...]:
        start = int.from_bytes(hashlib.sha256(salt.encode()).digest()[:4]) % len(self._models)
        return self._models[start:] + self._models[:start]
