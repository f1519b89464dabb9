"""Gets a policy onto its vLLM servers: a LoRA is loaded while they run, full weights must already be served.

Everything may be done again: what is there is left alone, because vLLM answers from stale cache entries when a name is
loaded twice. vLLM needs VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 and `--max-loras` of at least 2.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

import httpx

from assistant.errors import AttuneError
from assistant.rollout.spec import PolicySpec, fingerprint

log = logging.getLogger(__name__)

_LOAD_S = 120.0
_ASK_S = 5.0
_ENVIRONMENT = "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1"


class RolloutError(AttuneError):
    """A server does not have the policy and could not be made to."""

    status = 503
    code = "rollout_failed"


async def load(spec: PolicySpec) -> None:
    """See to it that every server of the policy has it.

    Raises:
        RolloutError: one has not; the message names it and the repair.
        ConfigError: the key of the servers is missing.
    """
    await _everywhere(spec, _load)


async def warm(spec: PolicySpec) -> None:
    """Have every server answer one short request, so that nobody waits for what the first one prepares.

    Raises:
        RolloutError: one did not answer.
    """
    await _everywhere(spec, _warm)


async def unload(spec: PolicySpec) -> None:
    """Take a LoRA off its servers; one that cannot be asked has none to speak of and is only logged."""
    if spec.kind != "lora":
        return
    try:
        await _everywhere(spec, _unload)
    except AttuneError as error:
        log.warning("policy %s may still be loaded: %s", spec.version, error)


async def keep(specs: Iterable[PolicySpec]) -> None:
    """Load again what a restarted server has forgotten; a server that is down is left for the next time."""
    for spec in specs:
        if spec.kind == "lora":
            try:
                await load(spec)
            except AttuneError as error:
                log.warning("policy %s: %s", spec.version, error)


async def _everywhere(spec: PolicySpec, do: Any) -> None:
    key = spec.api_key
    headers = {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=url.rstrip("/"), headers=headers, timeout=_LOAD_S, trust_env=False)
            )
            for url in spec.replicas
        ]
        results = await asyncio.gather(*(do(client, spec) for client in clients), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _load(client: httpx.AsyncClient, spec: PolicySpec) -> None:
    if spec.served_name in await _served(client):
        return
    if spec.kind == "full":
        raise RolloutError(
            f"{client.base_url} does not serve {spec.served_name!r}: start a server with these weights, for example "
            f"with attune serve-policy {spec.version}"
        )
    if spec.path is not None and spec.path.exists() and spec.sha256 != await asyncio.to_thread(fingerprint, spec.path):
        raise RolloutError(f"{spec.path} is not what was registered as {spec.version}: register a new version")
    body = {"lora_name": spec.served_name, "lora_path": str(spec.path)}
    response = await _send(client, "POST", "load_lora_adapter", body)
    if response.status_code in (404, 405):
        raise RolloutError(f"{client.base_url} loads no LoRA while it runs: start vLLM with {_ENVIRONMENT}")
    # Another process may have loaded it in between; what counts is that it is there.
    if response.status_code != 200 and spec.served_name not in await _served(client):
        raise RolloutError(f"{client.base_url} did not load {spec.path}: {_reason(response)}")


async def _warm(client: httpx.AsyncClient, spec: PolicySpec) -> None:
    body = {"model": spec.served_name, "messages": [{"role": "user", "content": "Hello."}], "max_tokens": 1}
    response = await _send(client, "POST", "chat/completions", body)
    if response.status_code != 200:
        raise RolloutError(f"{client.base_url} has {spec.served_name!r} but cannot answer: {_reason(response)}")


async def _unload(client: httpx.AsyncClient, spec: PolicySpec) -> None:
    if spec.served_name in await _served(client):
        await _send(client, "POST", "unload_lora_adapter", {"lora_name": spec.served_name})


async def _served(client: httpx.AsyncClient) -> set[str]:
    response = await _send(client, "GET", "models", timeout_s=_ASK_S)
    try:
        return {str(model["id"]) for model in response.raise_for_status().json()["data"]}
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError) as error:
        raise RolloutError(f"{client.base_url} does not list its models: {_reason(response)}") from error


async def _send(
    client: httpx.AsyncClient, method: str, path: str, body: Any = None, timeout_s: float = _LOAD_S
) -> httpx.Response:
    try:
        return await client.request(method, path, json=body, timeout=timeout_s)
    except httpx.HTTPError as error:
        what = type(error).__name__
        raise RolloutError(f"{client.base_url} cannot be reached ({what}): start it or correct its address") from error


def _reason(response: httpx.Response) -> str:
    """What an administrative answer says; nobody's words are in it."""
    return f"status {response.status_code}, {response.text[:300]!r}"
