"""A Transformers model inside this process: a hub id or a directory.

It loads at the first use, in its own thread, and answers there: one reply at a time, first come first served. Closing a
stream stops its generation at the next token, also while it still waits for its turn. Answers are not constrained to a
schema; they are asked for in words and checked.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assistant.config import ModelConfig
from assistant.errors import ConfigError, ModelError, ModelGarbledError, ModelUnreachableError
from assistant.models.door import ChatMessage, Finished, ModelIdentity, Prompt, Sampling, TextDelta
from assistant.models.structured import asking_for, json_answer
from assistant.models.thinking import after_thinking

if TYPE_CHECKING:
    from assistant.models.generation import Engine

_log = logging.getLogger(__name__)


class Local:
    """One model in this process; `aclose` waits for its thread."""

    def __init__(self, config: ModelConfig, *, role: str = "policy") -> None:
        """Remember what to load; nothing is loaded or downloaded yet.

        Raises:
            ConfigError: no model is named.
        """
        if config.model is None:
            raise ConfigError(f"{role}.model is missing; name a directory or a hub id")
        self._config = config
        self._name = config.model
        self._role = role
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-model")
        self._engine: Engine | None = None
        self._running: set[threading.Event] = set()
        self._closed = False

    @property
    def identity(self) -> ModelIdentity:
        """Which model answers; nothing leaves this machine."""
        description = f"The language model {self._name} answers inside this program; your words stay on this machine."
        return ModelIdentity("local", self._name, description)

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[TextDelta | Finished, None]:
        """Answer piece by piece; see `Model.stream`."""
        shown = False
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[str | asyncio.Future[Finished]] = asyncio.Queue()
        stopped = threading.Event()

        def emit(text: str) -> None:
            with suppress(RuntimeError):  # the loop is gone, and with it whoever would read this
                loop.call_soon_threadsafe(pieces.put_nowait, text)

        answering = self._submit(prompt.messages, sampling, emit, stopped)
        answering.add_done_callback(pieces.put_nowait)
        self._running.add(stopped)
        try:
            while isinstance(piece := await pieces.get(), str):
                shown = True
                yield TextDelta(piece)
            end = piece.result()
        except asyncio.CancelledError:
            if self._closed and answering.cancelled():
                raise ModelUnreachableError(f"the model {self._name!r} was closed") from None
            raise
        finally:
            stopped.set()
            self._running.discard(stopped)
            answering.add_done_callback(_seen)
        if not shown:
            raise ModelGarbledError(f"the model {self._name!r} answered without a visible word")
        yield end

    async def complete(
        self, messages: Sequence[ChatMessage], sampling: Sampling, schema: Mapping[str, Any] | None = None
    ) -> str:
        """Answer in one piece; see `Model.complete`."""
        asked = messages if schema is None else asking_for(schema, messages)
        text, end = "", Finished("stop")
        async for piece in self.stream(Prompt(tuple(asked)), sampling):
            if isinstance(piece, TextDelta):
                text += piece.text
            else:
                end = piece
        if schema is None:
            return text
        return json_answer(after_thinking(text), schema, by=f"the model {self._name!r}", cut=end.reason == "length")

    async def check(self) -> None:
        """Load the model unless it is loaded; see `Model.check`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._loaded)

    async def aclose(self) -> None:
        """Stop what is running and let go of the weights."""
        self._closed = True
        for stopped in self._running:
            stopped.set()
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)
        self._engine = None

    def _submit(
        self, messages: Sequence[ChatMessage], sampling: Sampling, emit: Any, stopped: threading.Event
    ) -> asyncio.Future[Finished]:
        if self._closed:
            raise ModelUnreachableError(f"the model {self._name!r} is closed")
        if sampling.temperature is None:
            sampling = replace(sampling, temperature=self._config.temperature)

        def answer() -> Finished:
            if stopped.is_set():
                return Finished("abort")
            engine = self._loaded()
            try:
                return engine.generate(messages, sampling, thinking=self._config.thinking, emit=emit, stopped=stopped)
            except ModelError:
                raise
            except Exception as error:
                # The error's own text may quote the prompt.
                _log.warning("generation with %s failed: %s", self._name, type(error).__name__)
                raise ModelUnreachableError(f"the model {self._name!r} failed ({type(error).__name__})") from None

        return asyncio.get_running_loop().run_in_executor(self._thread, answer)

    def _loaded(self) -> Engine:
        """Return the engine, loading it if need be; runs in the model's thread only."""
        if self._engine is None:
            from assistant.models.weights import find

            directory = find(self._name, role=self._role)
            from assistant.models.generation import Engine

            self._engine = Engine.load(directory, self._name)
        return self._engine


def _seen(future: asyncio.Future[Finished]) -> None:
    """Take note of a result nobody waits for any more."""
    if not future.cancelled():
        future.exception()
