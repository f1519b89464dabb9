"""The real vLLM server as a child process: started on a model directory, waited for, and always stopped.

It listens on this machine only. vLLM lives in a virtual environment of its own (`make setup-serve`); here it is only a
command line and an address, so that this module imports nothing of it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import httpx

from assistant.rollout.vllm import ENVIRONMENT
from assistant.rollout.vllm import command as policy_command
from training.child import child
from training.errors import EngineError


@dataclass(frozen=True, slots=True)
class VllmServer:
    """A running server."""

    base_url: str
    """Up to and with `/v1`, as `policy.base_url` wants it."""
    model: str
    """The name it serves the model under."""
    context_tokens: int
    ready_after_s: float
    pid: int = 0
    """Of the process, which leads a group of its own; 0: it is not ours."""

    @property
    def metrics_url(self) -> str:
        """Where its Prometheus metrics are."""
        return self.base_url.removesuffix("/v1") + "/metrics"


@contextmanager
def run_vllm(
    model_dir: Path,
    *,
    python: Path,
    log: Path,
    name: str = "tiny",
    context_tokens: int = 16384,
    options: Sequence[str] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
    ready_within_s: float = 240.0,
    port: int | None = None,
) -> Iterator[VllmServer]:
    """Serve `model_dir` under `name` with the vLLM of the environment that `python` belongs to.

    Without a `port` it takes a free one.

    Raises:
        EngineError: the environment is missing, or the server ended or did not answer in time; it quotes the log's end.
    """
    if not python.exists():
        raise EngineError(f"no {python}: run `make setup-serve` first")
    port = port or free_port()
    command = [
        *policy_command(
            str(model_dir), name, python=python, host="127.0.0.1", port=port, context_tokens=context_tokens
        ),
        *options,
    ]
    with child("vLLM", command, log=log, environment={**ENVIRONMENT, **environment}) as server:
        ready_after_s = server.wait_until(lambda: _answers(f"http://127.0.0.1:{port}/health"), ready_within_s)
        yield VllmServer(f"http://127.0.0.1:{port}/v1", name, context_tokens, ready_after_s, server.process.pid)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
