"""vLLM from the environment it lives in: its command line and its variables for serving a policy.

vLLM is only a command here; nothing of it is imported. On a machine without a GPU the flags are those of the CPU build.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from assistant.errors import ConfigError
from assistant.rollout.description import adapter_rank
from assistant.rollout.spec import PolicySpec

SERVE_PYTHON = Path(__file__).resolve().parents[2] / ".venv-serve/bin/python"
ENVIRONMENT: Mapping[str, str] = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
}
"""Nothing is fetched, nothing is reported; on a CPU the key-value cache takes 1 GiB. A GPU ignores the last."""
LORA_ENVIRONMENT: Mapping[str, str] = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"}
"""Lets adapters be loaded while the server runs; whoever reaches the server may do so, so keep it private."""
STRUCTURED_OUTPUTS = '{"backend": "guidance", "disable_any_whitespace": true}'
"""By default vLLM lets a weak model fill its answer with line ends, and control characters into bounded strings."""
MAX_LORAS = 4
"""Live, previous and canary, and one to come."""

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
_WITHIN_S = 1800.0
_PATIENCE_S = 20.0
_POLL_S = 0.5
_SAY_EVERY_S = 10.0


def command(model: str, name: str, *, python: Path, host: str, port: int, context_tokens: int | None) -> list[str]:
    """The command that serves `model` under `name`."""
    size = [] if context_tokens is None else ["--max-model-len", str(context_tokens)]
    cpu = [] if shutil.which("nvidia-smi") else ["--dtype", "float32", "--max-num-seqs", "8", "--enforce-eager"]
    return [
        *(str(python), "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", model, "--served-model-name", name),
        *("--host", host, "--port", str(port)),
        *("--structured-outputs-config", STRUCTURED_OUTPUTS),
        *size,
        *cpu,
    ]


def lora_options(rank: int) -> list[str]:
    """The flags that let adapters of up to this rank be loaded while the server runs."""
    fitting = next((one for one in _RANKS if one >= rank), None)
    if fitting is None:
        raise ConfigError(f"vLLM takes no LoRA of rank {rank}; the largest is {_RANKS[-1]}")
    return ["--enable-lora", "--max-loras", str(MAX_LORAS), "--max-lora-rank", str(fitting)]


def serve(
    spec: PolicySpec,
    host: str,
    port: int,
    *,
    python: Path | None = None,
    options: Sequence[str] = (),
    ready: Callable[[float], None],
    within_s: float = _WITHIN_S,
) -> int:
    """Serve a policy in the foreground and return vLLM's exit status; `ready` is called once it answers.

    Raises:
        ConfigError: the environment is missing, or vLLM ended or did not answer in time.
    """
    chosen = python or SERVE_PYTHON
    if not chosen.exists():
        raise ConfigError(f"no {chosen}: run make setup-serve, or name the environment with --python")
    if spec.kind == "lora":
        assert spec.path is not None
        # The base keeps a name of its own; the adapter is loaded as later ones are, so that a reload is the same.
        arguments = command(
            spec.base, "attune-base", python=chosen, host=host, port=port, context_tokens=spec.context_tokens
        )
        adapter = [*lora_options(adapter_rank(spec.path)), "--lora-modules", f"{spec.served_name}={spec.path}"]
        arguments, environment = [*arguments, *adapter], {**ENVIRONMENT, **LORA_ENVIRONMENT}
    else:
        model = str(spec.path or spec.base)
        arguments = command(
            model, spec.served_name, python=chosen, host=host, port=port, context_tokens=spec.context_tokens
        )
        environment = dict(ENVIRONMENT)
    with _child([*arguments, *options], environment) as process:
        ready(_wait(process, f"http://{host}:{port}/health", within_s))
        return process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, within_s: float) -> float:
    started = said = time.monotonic()
    while not _answers(url):
        now = time.monotonic()
        if process.poll() is not None:
            raise ConfigError(f"vLLM ended with status {process.returncode} before it answered; see its output above")
        if now - started > within_s:
            raise ConfigError(f"vLLM did not answer within {within_s:.0f} s; see its output above")
        if now - said >= _SAY_EVERY_S:
            said = now
            print(f"attune: vLLM loads, {now - started:.0f} s", file=sys.stderr)  # noqa: T201
        time.sleep(_POLL_S)
    return time.monotonic() - started


@contextmanager
def _child(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run in a session of its own; a signal to us, or leaving, stops it with everything it started."""
    process = subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, env={**os.environ, **environment}, start_new_session=True
    )

    def stop(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield process
    except KeyboardInterrupt:
        print("attune: stopping vLLM", file=sys.stderr)  # noqa: T201
        raise SystemExit(0) from None
    finally:
        signal.signal(signal.SIGTERM, before)
        for step in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, step)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_PATIENCE_S)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
