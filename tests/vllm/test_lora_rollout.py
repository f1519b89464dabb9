"""A LoRA made on the spot goes live on the real vLLM while a conversation goes on, and is taken back.

Then that vLLM is killed: what is live stays live, nothing else goes live, and once it runs again everything goes on.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from assistant.prompt import prompt_hash
from assistant.rollout.spec import fingerprint
from assistant.rollout.vllm import LORA_ENVIRONMENT, lora_options
from memory.ids import new_id
from tests.fakes import policies
from tests.fakes.tiny_lora import RANK, make_lora
from tests.vllm.conftest import SERVE_PYTHON
from training.backend_server import run_backend
from training.tiny import make_tiny_qwen3
from training.vllm_server import VllmServer, run_vllm

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]

LAYERS = 8
PATH = "/v1/admin/policies"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that adapters change."""
    return make_tiny_qwen3(tmp_path_factory.mktemp("lora") / "model", seed=4, layers=LAYERS, endless=True)


@pytest.fixture
def lora_server(base: Path) -> Iterator[VllmServer]:
    """A server that takes adapters while it runs."""
    with serving(base) as running:
        yield running


def serving(model: Path, port: int | None = None) -> AbstractContextManager[VllmServer]:
    return run_vllm(
        model,
        python=SERVE_PYTHON,
        log=model.with_name("vllm.log"),
        options=lora_options(RANK),
        environment=LORA_ENVIRONMENT,
        port=port,
    )


def asked(client: httpx.Client, method: str, path: str, body: Any = None) -> dict[str, Any]:
    answer = client.request(method, path, json=body)
    assert answer.status_code < 300, answer.text
    found: dict[str, Any] = answer.json()
    return found


def replied(client: httpx.Client, conversation: str) -> str:
    """Say something new and return the version that answered."""
    path, body = f"/v1/conversations/{conversation}/messages", {"content": f"And then? {new_id('msg')}"}
    return str(asked(client, "POST", path, body)["policy_version"])


def begun(client: httpx.Client) -> str:
    return str(asked(client, "POST", "/v1/conversations", {})["id"])


def test_a_lora_goes_live_and_back_on_a_running_vllm(lora_server: VllmServer, tmp_path: Path) -> None:
    adapter = make_lora(tmp_path / "adapter", seed=1, layers=LAYERS)
    spec = policies.spec("p1", adapter, lora_server.base_url, base="tiny", prompt_hash=prompt_hash("full"))
    reports = {"evaluation": policies.evaluation(adapter, "configured"), "safety": policies.safety(adapter)}
    settings = {"ATTUNE_POLICIES__CANARY_TURNS": "2"}
    home, log = tmp_path / "home", tmp_path / "backend.log"
    with run_backend(home, lora_server, log=log, settings=settings) as backend, backend.client(120) as client:
        conversation = begun(client)
        assert replied(client, conversation) == "openai_compatible:tiny"
        made = asked(client, "POST", PATH, {**spec.model_dump(mode="json"), **reports})
        assert (made["stage"], asked(client, "GET", f"{PATH}/p1")["details"]["sha256"]) == (
            "candidate",
            fingerprint(adapter),
        )
        asked(client, "POST", f"{PATH}/p1/canary", {"percent": 100})
        assert replied(client, conversation) == "openai_compatible:tiny", "it began with another"
        fresh = begun(client)
        assert [replied(client, fresh) for _ in range(3)] == ["p1"] * 3
        _counted(client, 3)
        asked(client, "POST", f"{PATH}/p1/activate")
        assert replied(client, conversation) == "p1", "the same conversation goes on under the new policy"
        said = [_first_token(lora_server, model) for model in ("tiny", "attune-p1")]
        assert abs(said[0] - said[1]) > 1e-4, "the adapter changes what the model says"
        asked(client, "POST", f"{PATH}/rollback", {"reason": "to see it go"})
        assert replied(client, conversation) == "openai_compatible:tiny"
        assert "attune-p1" in _served(lora_server), "it stays loaded"
        asked(client, "POST", f"{PATH}/p1/retire")
        assert "attune-p1" not in _served(lora_server)


def test_a_killed_vllm_that_runs_again_serves_what_is_live(lora_server: VllmServer, base: Path, tmp_path: Path) -> None:
    adapters = {version: make_lora(tmp_path / version, seed, LAYERS) for seed, version in enumerate(("p1", "p2"), 1)}
    settings = {"ATTUNE_POLICIES__GATES": "[]", "ATTUNE_POLICIES__KEEP_S": "1"}
    home, log = tmp_path / "home", tmp_path / "backend.log"
    with run_backend(home, lora_server, log=log, settings=settings) as backend, backend.client(120) as client:
        for version, adapter in adapters.items():
            spec = policies.spec(version, adapter, lora_server.base_url, base="tiny", prompt_hash=prompt_hash("full"))
            asked(client, "POST", PATH, spec.model_dump(mode="json"))
        asked(client, "POST", f"{PATH}/p1/activate")
        conversation = begun(client)
        assert replied(client, conversation) == "p1"
        os.killpg(lora_server.pid, signal.SIGKILL)

        path = f"/v1/conversations/{conversation}/messages"
        assert client.post(path, json={"content": "Are you there?"}).status_code == 503
        refused = client.post(f"{PATH}/p2/activate")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "rollout_failed")
        assert _stages(client) == {"configured": "previous", "p1": "live", "p2": "candidate"}

        with serving(base, urlsplit(lora_server.base_url).port) as again:
            _loaded(again, "attune-p1")
            assert replied(client, conversation) == "p1"
            asked(client, "POST", f"{PATH}/p2/activate")
            assert replied(client, conversation) == "p2"
            assert _stages(client) == {"configured": "retired", "p1": "previous", "p2": "live"}


def _stages(client: httpx.Client) -> dict[str, str]:
    return {str(one["version"]): str(one["stage"]) for one in asked(client, "GET", PATH)["data"]}


def _loaded(server: VllmServer, name: str) -> None:
    """Wait until the backend has loaded again what vLLM forgot."""
    until = time.monotonic() + 240
    while name not in _served(server):
        assert time.monotonic() < until, f"{name} was not loaded again"
        time.sleep(0.25)


def _counted(client: httpx.Client, turns: int) -> None:
    """Wait until the backend has written down what its canary answered."""
    for _ in range(600):
        if asked(client, "GET", f"{PATH}/p1")["canary"]["answered"] >= turns:
            return
    raise AssertionError("the canary's turns were not counted")


def _served(server: VllmServer) -> set[str]:
    data = httpx.get(f"{server.base_url}/models", trust_env=False).raise_for_status().json()["data"]
    return {model["id"] for model in data}


def _first_token(server: VllmServer, model: str) -> float:
    """The log-probability of the likeliest first token of a reply."""
    body = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 1, "temperature": 0, "logprobs": True}
    answer = httpx.post(f"{server.base_url}/chat/completions", json={**body, "model": model}, timeout=120)
    return float(answer.raise_for_status().json()["choices"][0]["logprobs"]["content"][0]["logprob"])
