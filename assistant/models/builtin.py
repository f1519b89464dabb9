"""The responder that answers when no language model is configured; it is none, and says so.

Its replies are made in `builtin_reply.py`; here they become a stream like any model's. It keeps nothing, needs nothing,
and answers the same to the same situation and seed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from assistant.errors import ModelRefusedError
from assistant.models.builtin_reply import reply
from assistant.models.door import ChatMessage, Finished, ModelIdentity, Prompt, Sampling, TextDelta
from assistant.models.stops import StopFilter

DESCRIPTION = (
    "No language model is configured. Attune's builtin responder answers: it reflects your words and what you told it,"
    " and is no language model."
)
_PIECE = re.compile(r"\s*[^\s\u3040-\u30ff\u4e00-\u9fff]+|\s*[\u3040-\u30ff\u4e00-\u9fff]{1,4}|\s+")


class Builtin:
    """A deterministic responder over the SupportPlan, the recalled facts and the person's own words."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return ModelIdentity(engine="builtin", model="builtin", description=DESCRIPTION)

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[TextDelta | Finished]:
        """Answer word by word from `prompt.situation`.

        Raises:
            ModelRefusedError: the prompt carries no situation.
        """
        if prompt.situation is None:
            raise ModelRefusedError("the builtin responder answers from a situation, and the prompt has none")
        pieces = _PIECE.findall(reply(prompt.situation, sampling.seed or 0))
        stops = StopFilter(sampling.stop)
        for piece in pieces[: sampling.max_tokens]:
            if text := stops.feed(piece):
                yield TextDelta(text)
            await asyncio.sleep(0)
            if stops.stopped:
                break
        if rest := stops.finish():
            yield TextDelta(rest)
        cut = len(pieces) > sampling.max_tokens and not stops.stopped
        yield Finished("length" if cut else "stop")

    async def complete(
        self,
        messages: Sequence[ChatMessage],  # noqa: ARG002
        sampling: Sampling,  # noqa: ARG002
        schema: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> str:
        """Refuse: the builtin responder completes nothing.

        Raises:
            ModelRefusedError: always.
        """
        raise ModelRefusedError("the builtin responder is no language model; configure one, or use the offline way")

    async def check(self) -> None:
        """Return: it can always answer."""

    async def aclose(self) -> None:
        """Nothing to release."""
