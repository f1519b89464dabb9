"""A model behind an OpenAI-compatible server: vLLM, Ollama, LM Studio, llama.cpp, a hosted API.

Every answer is streamed, also that of `complete`, so that one set of time-outs and one way to abort covers both.
Failures before the first token are tried again within `retries` and within the time a person is asked to wait for the
first token; nothing is tried again after it. Closing the stream closes the connection, which is how servers learn to
stop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from assistant.config import ModelConfig
from assistant.errors import ModelGarbledError, ModelRefusedError, ModelUnreachableError
from assistant.models.address import runs_in_cloud
from assistant.models.backoff import RETRY_AFTER_CAP_S, backoff
from assistant.models.chunk import Chunk
from assistant.models.dialect import Call, Dialect
from assistant.models.door import ChatMessage, Finished, ModelIdentity, Prompt, Sampling, TextDelta
from assistant.models.offers import Offers
from assistant.models.refusal import UnsupportedField, unknown_model
from assistant.models.server import ModelServer
from assistant.models.structured import json_answer
from assistant.models.thinking import ThinkingFilter, after_thinking, visible

_log = logging.getLogger(__name__)

_CHECK_S = 5.0


class OpenAICompatible:
    """One model of one server; holds connections, so close it with `aclose`."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        role: str = "policy",
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare the client; nothing is connected yet, and a server that is down shows in `check`.

        Args:
            config: Where the server is and how long it may take.
            role: The section of the configuration, for repairs in error messages.
            pause: How to wait between tries.
        """
        self._config = config
        self._role = role
        self._pause = pause
        self._server = ModelServer(config, role=role)
        self._dialect = Dialect(config, hosted=self._server.address.host == "api.openai.com")
        self._model = config.model
        self._offers: Offers | None = None

    @property
    def identity(self) -> ModelIdentity:
        """Which model answers, where, and whether text leaves this machine."""
        address = self._server.address
        model = self._model or "default"
        cloud = runs_in_cloud(model)
        if not address.is_loopback:
            where = f"on the server at {address.place}; your words are sent there"
        elif cloud:
            where = f"in the cloud, through the server at {address.place}; your words leave this machine"
        else:
            where = f"on a server on this machine ({address.place}); your words stay on this machine"
        description = f"The language model {model} answers, {where}."
        leaves = cloud or not address.is_loopback
        return ModelIdentity("openai_compatible", model, description, leaves, {"base_url": address.base_url})

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[TextDelta | Finished, None]:
        """Answer piece by piece; see `Model.stream`."""
        call = Call(prompt.messages, sampling, cache_salt=prompt.cache_salt)
        hiding = ThinkingFilter(inside=self._config.thinking_opened)
        shown, end = False, Chunk()
        async with aclosing(self._chunks(call)) as chunks:
            async for chunk in chunks:
                end = _merged(end, chunk)
                text = hiding.feed(chunk.text)
                if text:
                    shown = True
                    yield TextDelta(text)
        rest = hiding.finish()
        if rest:
            yield TextDelta(rest)
        elif not shown:
            raise self._nothing_visible(end)
        yield Finished(end.finish_reason or "stop", end.prompt_tokens, end.completion_tokens)

    async def complete(
        self, messages: Sequence[ChatMessage], sampling: Sampling, schema: Mapping[str, Any] | None = None
    ) -> str:
        """Answer in one piece; see `Model.complete`."""
        text, thought, end = "", "", Chunk()
        async with aclosing(self._chunks(Call(messages, sampling, schema=schema))) as chunks:
            async for chunk in chunks:
                end = _merged(end, chunk)
                text += chunk.text
                thought += chunk.thought
        opened = self._config.thinking_opened
        if schema is None:
            answer = visible(text, inside=opened)
        else:
            # vLLM's reasoning parsers put the constrained answer of a model that does not think into `reasoning`.
            answer = text or thought
            answer = after_thinking(answer, inside=opened and not answer.lstrip().startswith(("{", "[")))
        if not answer:
            raise self._nothing_visible(end)
        if schema is not None:
            return json_answer(answer, schema, by=self._server.by, cut=end.finish_reason == "length")
        return answer

    async def check(self) -> None:
        """Ask the server what it offers; see `Model.check`."""
        self._offers = None
        loop = asyncio.get_running_loop()
        offers = await self._known_offers(loop.time() + self._config.connect_timeout_s + _CHECK_S)
        if self._model is not None and offers.models and not offers.includes(self._model):
            raise unknown_model(self._server.address, self._model, offers.models, self._role)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._server.aclose()

    async def _chunks(self, call: Call) -> AsyncGenerator[Chunk, None]:
        """Yield the chunks of one answer, trying again until the first token."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._config.first_token_timeout_s
        failures = 0
        while True:
            begun = False
            try:
                offers = await self._known_offers(deadline)
                body = self._dialect.body(call, self._model or "", is_vllm=offers.is_vllm)
                async with aclosing(self._server.chunks(body, deadline)) as chunks:
                    async for chunk in chunks:
                        begun = begun or chunk.is_token
                        yield chunk
                return
            except UnsupportedField as refusal:
                _log.info("%s does not take %s; going on without it", self._server.by, refusal.field)
                self._dialect.do_without(refusal.field)
            except ModelRefusedError:
                self._offers = None
                raise
            except ModelUnreachableError as error:
                # Another server, or the same with another model, may answer there next time.
                self._offers = None
                wait = max(backoff(failures), error.retry_after or 0.0)
                failures += 1
                too_late = wait > RETRY_AFTER_CAP_S or loop.time() + wait >= deadline
                if begun or failures > self._config.retries or too_late:
                    raise
                _log.info("try %d of %d failed: %s", failures, self._config.retries + 1, error)
                await self._pause(wait)

    async def _known_offers(self, deadline: float) -> Offers:
        """Return what the server offers, asked once; take its first model when none is configured."""
        if self._offers is None:
            offers = await self._server.offers(deadline)
            if self._config.model is None:
                if not offers.models:
                    raise ModelRefusedError(
                        f"{self._server.by} names no model; load one there, or set {self._role}.model"
                    )
                self._model = offers.models[0]
            self._offers = offers
        return self._offers

    def _nothing_visible(self, end: Chunk) -> ModelGarbledError:
        if end.finish_reason == "length":
            return ModelGarbledError(
                f"{self._server.by} used all its tokens without a visible word; raise {self._role}.max_tokens"
                f" or set {self._role}.thinking = false"
            )
        return ModelGarbledError(f"{self._server.by} answered without a visible word")


def _merged(end: Chunk, chunk: Chunk) -> Chunk:
    """Keep what a chunk says about the whole answer."""
    return replace(
        end,
        finish_reason=chunk.finish_reason or end.finish_reason,
        prompt_tokens=end.prompt_tokens if chunk.prompt_tokens is None else chunk.prompt_tokens,
        completion_tokens=end.completion_tokens if chunk.completion_tokens is None else chunk.completion_tokens,
    )
