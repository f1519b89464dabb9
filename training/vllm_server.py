"""The real vLLM server as a child process: started on a model directory, waited for, and always stopped.

It listens on this machine only. vLLM lives in a virtual environment of its own (`make setup-serve`); here it is only a
command line and an address, so that this module imports nothing of it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from training.child import child
from training.errors import EngineError

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
}
"""Nothing is fetched, nothing is reported; on a CPU the key-value cache takes 1 GiB. A GPU ignores the last."""
STRUCTURED_OUTPUTS = '{"backend": "guidance", "disable_any_whitespace": true}'
"""By default vLLM lets a weak model fill its answer with line ends, and control characters into bounded strings."""


@dataclass(frozen=True, slots=True)
class VllmServer:
    """A running server."""

    base_url: str
    """Up to and with `/v1`, as `policy.base_url` wants it."""
    model: str
    """The name it serves the model under."""
    context_tokens: int
    ready_after_s: float

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
    ready_within_s: float = 240.0,
) -> Iterator[VllmServer]:
    """Serve `model_dir` under `name` on a free port with the vLLM of the environment that `python` belongs to.

    Raises:
        EngineError: the environment is missing, or the server ended or did not answer in time; it quotes the log's end.
    """
    if not python.exists():
        raise EngineError(f"no {python}: run `make setup-serve` first")
    port = free_port()
    command = [
        *(str(python), "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(model_dir), "--served-model-name", name),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--dtype", "float32", "--max-model-len", str(context_tokens), "--max-num-seqs", "8", "--enforce-eager"),
        *("--structured-outputs-config", STRUCTURED_OUTPUTS),
        *options,
    ]
    with child("vLLM", command, log=log, environment=ENVIRONMENT) as server:
        ready_after_s = server.wait_until(lambda: _answers(f"http://127.0.0.1:{port}/health"), ready_within_s)
        yield VllmServer(f"http://127.0.0.1:{port}/v1", name, context_tokens, ready_after_s)


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
