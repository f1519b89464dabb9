"""The real backend as a child process on a data directory of its own, and one message sent to it as a client would."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from httpx_sse import connect_sse

from assistant.remote import Remote, find
from training.child import child
from training.errors import EngineError
from training.vllm_server import VllmServer

DRAIN_S = 90.0
"""The backend lets replies end and reflection finish before it goes."""


@contextmanager
def run_backend(
    home: Path,
    policy: VllmServer,
    *,
    log: Path,
    ready_within_s: float = 120.0,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Remote]:
    """Serve the chat API on a free port with `policy` as its model; everything it keeps lies below `home`.

    `settings` are more of its environment, as `ATTUNE_POLICY__PRESET`.

    Raises:
        EngineError: the backend ended or did not answer in time; it quotes the log's end.
    """
    environment = {
        "ATTUNE_HOME": str(home),
        "ATTUNE_POLICY__ENGINE": "openai_compatible",
        "ATTUNE_POLICY__BASE_URL": policy.base_url,
        "ATTUNE_POLICY__MODEL": policy.model,
        "ATTUNE_POLICY__MAX_TOKENS": "64",
        **settings,
    }
    command = [str(Path(sys.executable).with_name("attune")), "serve", "--port", "0"]
    with child("the backend", command, log=log, environment=environment, patience_s=DRAIN_S) as server:
        server.wait_until(lambda: find(home) is not None, ready_within_s)
        remote = find(home)
        if remote is None:
            raise EngineError("the backend went away as soon as it was ready")
        yield remote


def say(backend: Remote, text: str) -> list[tuple[str, dict[str, Any]]]:
    """Send one message in a new conversation and return the events of the reply, in order: type and content."""
    with backend.client(timeout_s=120) as client:
        conversation = client.post("/v1/conversations", json={}).raise_for_status().json()["id"]
        path, body = f"/v1/conversations/{conversation}/messages", {"content": text, "stream": True}
        with connect_sse(client, "POST", path, json=body) as source:
            source.response.raise_for_status()
            return [(event.event, json.loads(event.data)) for event in source.iter_sse()]
