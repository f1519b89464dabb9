"""One real vLLM server for all tests of this folder, serving a tiny random Qwen3 that is made on the spot."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from assistant.config import ModelConfig
from assistant.models.openai_compatible import OpenAICompatible
from training.tiny import make_tiny_qwen3
from training.vllm_server import VllmServer, run_vllm

SERVE_PYTHON = Path(__file__).parents[2] / ".venv-serve/bin/python"

Metric = Callable[[str], float]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """The server, ready; its log lies beside the model in pytest's temporary directory.

    Eight layers are slow enough for vLLM's front end to keep pace with its engine on a busy machine.
    """
    directory = tmp_path_factory.mktemp("vllm")
    model = make_tiny_qwen3(directory / "model", seed=4, layers=8, endless=True)
    with run_vllm(model, python=SERVE_PYTHON, log=directory / "vllm.log") as running:
        yield running


@pytest.fixture
def config(server: VllmServer) -> ModelConfig:
    """What the backend's configuration says about this server."""
    return ModelConfig(
        engine="openai_compatible", base_url=server.base_url, model=server.model, context_tokens=server.context_tokens
    )


@pytest.fixture
async def model(config: ModelConfig) -> AsyncIterator[OpenAICompatible]:
    """Our engine, connected to the server."""
    engine = OpenAICompatible(config)
    yield engine
    await engine.aclose()


@pytest.fixture
def metric(server: VllmServer) -> Metric:
    """Read the sum of one of vLLM's metrics; the pattern may go on into the labels."""

    def read(pattern: str) -> float:
        text = httpx.get(server.metrics_url, trust_env=False).raise_for_status().text
        values = re.findall(rf"^vllm:{pattern}.*\}} (\S+)$", text, re.MULTILINE)
        assert values, f"vLLM has no metric {pattern}"
        return sum(map(float, values))

    return read
