"""`attune serve-policy` with the real vLLM: what training left in a directory is served, registered, and stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from assistant.prompt import prompt_hash
from assistant.rollout.answering import spec_of
from assistant.rollout.spec import DESCRIPTION, fingerprint
from memory.config import MemoryConfig
from memory.ledger.ledger import Ledger
from memory.ledger.policies import Policy
from tests.fakes.tiny_lora import make_lora
from training.child import Child, child
from training.tiny import make_tiny_qwen3
from training.vllm_server import free_port

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(900)]

READY_WITHIN_S = 600.0


def described(directory: Path, base: Path, kind: str) -> Path:
    """Write beside the weights what training writes."""
    told = {"base": str(base), "kind": kind, "preset": "paper", "prompt_hash": prompt_hash("paper")}
    (directory / DESCRIPTION).write_text(json.dumps({**told, "context_tokens": 2048}), encoding="utf-8")
    return directory


def command(source: str, port: int, *more: str) -> list[str]:
    return [sys.executable, "-m", "assistant.cli", "serve-policy", source, "--port", str(port), *more]


def ready(server: Child) -> bool:
    return "Ctrl-C stops it" in server.log.read_text(encoding="utf-8", errors="replace")


def said(port: int, model: str) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4, "temperature": 0}
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body, timeout=120, trust_env=False)
    return str(answer.raise_for_status().json()["choices"][0]["message"]["content"])


def models(port: int) -> set[str]:
    answer = httpx.get(f"http://127.0.0.1:{port}/v1/models", timeout=30, trust_env=False)
    return {str(model["id"]) for model in answer.raise_for_status().json()["data"]}


async def registered(home: Path) -> Policy:
    async with Ledger.open(MemoryConfig(home=home)) as ledger:
        return await ledger.policies.get("p7")


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_a_directory_is_served_registered_and_stopped(tmp_path: Path, kind: str) -> None:
    model = make_tiny_qwen3(tmp_path / "model", seed=4, endless=True)
    source = described(make_lora(tmp_path / "adapter", 1, 2) if kind == "lora" else model, model, kind)
    home, port = tmp_path / "home", free_port()
    run = command(str(source), port, "--as", "p7")
    with child("serve-policy", run, log=tmp_path / "log", environment={"ATTUNE_HOME": str(home)}) as server:
        server.wait_until(lambda: ready(server), READY_WITHIN_S)
        assert "registered as candidate p7" in server.log.read_text(encoding="utf-8")
        assert models(port) == {"attune-p7", *(("attune-base",) if kind == "lora" else ())}
        assert said(port, "attune-p7")
        policy = asyncio.run(registered(home))
        spec = spec_of(policy)
        assert (policy.stage, spec.kind, spec.sha256) == ("candidate", kind, fingerprint(source))
        assert spec.replicas == (f"http://127.0.0.1:{port}/v1",)
        if kind == "lora":
            # As a canary is: another adapter, while it runs.
            body = {"lora_name": "attune-p8", "lora_path": str(make_lora(tmp_path / "other", 2, 2))}
            url = f"http://127.0.0.1:{port}/v1/load_lora_adapter"
            assert httpx.post(url, json=body, timeout=120, trust_env=False).status_code == 200
            assert said(port, "attune-p8")
        os.kill(server.process.pid, signal.SIGTERM)
        assert server.process.wait(timeout=120) == 0
    with pytest.raises(httpx.TransportError):
        models(port)
