"""Notices model servers on this machine's usual ports; nothing beyond 127.0.0.1 is ever asked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from assistant.errors import ModelGarbledError
from assistant.models.address import runs_in_cloud
from assistant.models.offers import read_offers

USUAL_PORTS: Mapping[int, str] = {8000: "vLLM", 11434: "Ollama", 1234: "LM Studio"}
"""Which server listens where when nobody changed it; in order of preference."""

PROBE_S = 0.3
_MAX_BYTES = 1024 * 1024
_NO_CHAT = re.compile(r"embed|rerank|\b(bge|gte|e5|clip|whisper|tts)\b|minilm", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Noticed:
    """A server on this machine that offers at least one model that talks."""

    name: str
    """What usually listens there, as `vllm`, `ollama`, `lm-studio`."""
    base_url: str
    models: tuple[str, ...]
    """Without embedding models and without models that send text into a cloud."""


async def notice(ports: Mapping[int, str] = USUAL_PORTS) -> list[Noticed]:
    """Ask all `ports` at once and return the servers that answered in time, in the order of `ports`."""
    async with httpx.AsyncClient(trust_env=False, timeout=PROBE_S) as client:
        found = await asyncio.gather(*(_probe(client, port, name) for port, name in ports.items()))
    return [server for server in found if server is not None]


async def _probe(client: httpx.AsyncClient, port: int, name: str) -> Noticed | None:
    base_url = f"http://127.0.0.1:{port}/v1"
    content = b""
    try:
        async with asyncio.timeout(PROBE_S), client.stream("GET", f"{base_url}/models") as response:
            if response.status_code != 200:
                return None
            async for part in response.aiter_bytes():
                content += part
                if len(content) > _MAX_BYTES:
                    return None
        offers = read_offers(content, by=base_url)
    except (TimeoutError, httpx.HTTPError, ModelGarbledError):
        return None
    models = tuple(model for model in offers.models if _talks_here(model))
    return Noticed(name.lower().replace(" ", "-"), base_url, models) if models else None


def _talks_here(model: str) -> bool:
    """Whether a model is for chat, runs on this machine, and is not this very assistant."""
    return not runs_in_cloud(model) and not _NO_CHAT.search(model) and model != "attune"
