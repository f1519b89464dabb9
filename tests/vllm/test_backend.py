"""The whole backend as a process of its own, with the real vLLM as its model, spoken to over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.backend_server import run_backend, say
from training.vllm_server import VllmServer

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]


def test_a_turn_streams_from_vllm_through_the_backend(server: VllmServer, tmp_path: Path) -> None:
    with run_backend(tmp_path / "home", server, log=tmp_path / "backend.log") as backend:
        events = say(backend, "Hello! I moved to Lisbon last spring.")
    kinds = [kind for kind, _ in events]
    assert kinds[0] == "message.created"
    assert kinds.index("context.used") < kinds.index("delta")
    assert kinds.count("delta") > 2
    kind, completed = events[-1]
    assert kind == "message.completed"
    assert completed["policy_version"] == "openai_compatible:tiny"
    assert completed["usage"]["completion_tokens"] > 2
    assert completed["message"]["text"] == "".join(content["text"] for kind, content in events if kind == "delta")
    assert not (tmp_path / "home/backend.json").exists(), "the backend left without cleaning up"
