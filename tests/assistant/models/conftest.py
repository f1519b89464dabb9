"""A server that fails on purpose, and a model that points at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from assistant.config import ModelConfig
from assistant.models.openai_compatible import OpenAICompatible
from tests.fakes.scripted_server import ScriptedServer
from tests.fakes.tiny_model import make_tiny_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a tiny random model, made once."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny-model"))


class Pauses(list[float]):
    """The waits a model asked for; none of them takes time."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as running:
        yield running


@pytest.fixture
async def connect(pauses: Pauses) -> AsyncIterator[Callable[..., OpenAICompatible]]:
    """Return a function that opens a model on a server; each is closed after the test."""
    async with AsyncExitStack() as stack:

        def open_model(server: ScriptedServer | str, **changes: Any) -> OpenAICompatible:
            base_url = server if isinstance(server, str) else server.base_url
            if "api_key" in changes:
                changes["api_key"] = SecretStr(changes["api_key"])
            model = OpenAICompatible(ModelConfig(base_url=base_url, **changes), pause=pauses)
            stack.push_async_callback(model.aclose)
            return model

        yield open_model
