"""Which model answers: what was configured, else what the person chose, else what is on this machine, else builtin.

In this order, for `engine = "auto"`: a configured server; a configured local model; the person's choice; a server
noticed on this machine; the builtin responder. Text leaves the machine only for a server that was configured or
chosen by name. A configured server that is down is opened all the same: the backend starts, `check` says what to do.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from assistant.config import AssistantConfig, ModelConfig
from assistant.errors import ConfigError
from assistant.models.address import ServerAddress, runs_in_cloud
from assistant.models.choice import choose, chosen
from assistant.models.discovery import USUAL_PORTS, Noticed, notice
from assistant.models.door import Model, Sampling
from assistant.models.local import Local
from assistant.models.openai_compatible import OpenAICompatible
from assistant.models.weights import cached_models, is_here, looks_like_path
from memory.types import Complete

__all__ = ["Candidate", "choose", "chosen", "complete_for", "found", "open_model", "open_policy", "open_role"]

_log = logging.getLogger(__name__)

_OPENAI = "https://api.openai.com/v1"
_OPENAI_MODEL = "gpt-4.1-mini"
_REFLECTING = Sampling(temperature=0.0, max_tokens=2048)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that could answer."""

    name: str
    """For `attune models use NAME`: `configured`, `ollama/llama3.2`, `local/Qwen/Qwen3-0.6B`, `openai`, `builtin`."""
    description: str
    """What would answer and where text would go, for the person."""
    leaves_machine: bool
    config: ModelConfig
    """What opens it."""


async def found(
    config: AssistantConfig, *, ports: Mapping[int, str] = USUAL_PORTS, environ: Mapping[str, str] | None = None
) -> list[Candidate]:
    """List what could answer here, the automatic order first; looks, but loads and sends nothing."""
    policy = config.policy
    candidates = []
    if policy.base_url is not None or policy.model is not None:
        where = policy.base_url or "in this program"
        leaves = policy.base_url is not None and _leaves(policy.base_url, policy.model)
        candidates.append(Candidate("configured", f"the configured model ({where})", leaves, policy))
    servers = await notice(ports) if config.discover else []
    for server in servers:
        candidates += [_served(server, model, policy) for model in server.models]
    for name in await asyncio.to_thread(cached_models):
        words = f"{name} from the hub's cache, in this program"
        candidates.append(Candidate(f"local/{name}", words, False, _changed(policy, "local", model=name)))
    key = (os.environ if environ is None else environ).get("OPENAI_API_KEY")
    if key:
        words = f"OpenAI's {_OPENAI_MODEL}, with the key in OPENAI_API_KEY; your words are sent to api.openai.com"
        candidates.append(
            Candidate(
                "openai",
                words,
                True,
                _changed(policy, "openai_compatible", base_url=_OPENAI, model=_OPENAI_MODEL, api_key=SecretStr(key)),
            )
        )
    words = "no language model: it reflects your own words and what it remembers"
    return [*candidates, Candidate("builtin", words, False, _changed(policy, "builtin"))]


async def open_policy(
    config: AssistantConfig, *, ports: Mapping[int, str] = USUAL_PORTS, environ: Mapping[str, str] | None = None
) -> Model:
    """Open the model that answers people; see the module for the order.

    Args:
        config: The configuration; its data directory holds the person's choice.
        ports: Where to look for servers on this machine.
        environ: The environment, for the person's own API key.

    Raises:
        ConfigError: the configuration or the person's choice cannot be used.
    """
    policy = config.policy
    if policy.engine != "auto" or policy.base_url is not None:
        return await open_model(policy)
    if policy.model is not None:
        return await _open_named(config, ports)
    name = chosen(config.memory_config.home)
    if name is not None:
        candidates = await found(config, ports=ports, environ=environ)
        picked = next((candidate for candidate in candidates if candidate.name == name), None)
        if picked is not None:
            return await open_model(picked.config)
        _log.warning("the chosen model %s is not here; see `attune models`", name)
    # What was not chosen by name is taken only where text stays on this machine.
    servers = await notice(ports) if config.discover else []
    return await open_model(_served(servers[0], servers[0].models[0], policy).config) if servers else _builtin()


async def open_model(role: ModelConfig, *, name: str = "policy") -> Model:
    """Open exactly the model a section of the configuration names; `auto` without one is the builtin responder.

    Raises:
        ConfigError: the section lacks what its engine needs.
    """
    if role.engine == "builtin":
        return _builtin()
    if role.engine == "same":
        raise ConfigError(f"{name}.engine = 'same' means the policy's model; name an engine for {name}")
    if role.engine == "openai_compatible" or (role.engine == "auto" and role.base_url is not None):
        return OpenAICompatible(role, role=name)
    if role.engine == "local" or role.model is not None:
        return Local(role, role=name)
    return _builtin()


async def open_role(role: ModelConfig, name: str, policy: Model, stack: AsyncExitStack) -> Model:
    """Open the model of a role for as long as `stack` is; `same` is the policy's own."""
    if role.engine == "same":
        return policy
    model = await open_model(role, name=name)
    stack.push_async_callback(model.aclose)
    return model


def complete_for(model: Model, sampling: Sampling = _REFLECTING) -> Complete | None:
    """Return the model's one-shot answer for reflection; None for the builtin responder, which has none."""
    if model.identity.engine == "builtin":
        return None

    async def complete(messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any] | None = None) -> str:
        chat: list[Any] = [{"role": message["role"], "content": message["content"]} for message in messages]
        return await model.complete(chat, sampling, schema)

    return complete


async def _open_named(config: AssistantConfig, ports: Mapping[int, str]) -> Model:
    """Open a model that was configured by name alone: here, on a server of this machine, or from the hub."""
    policy = config.policy
    model = policy.model or ""
    if not looks_like_path(model) and not await asyncio.to_thread(is_here, model):
        for server in await notice(ports) if config.discover else []:
            if {model, f"{model}:latest"} & set(server.models):
                return OpenAICompatible(_changed(policy, "openai_compatible", base_url=server.base_url))
    return Local(policy)


def _served(server: Noticed, model: str, policy: ModelConfig) -> Candidate:
    words = f"{model} on a server on this machine ({server.base_url})"
    config = _changed(policy, "openai_compatible", base_url=server.base_url, model=model)
    return Candidate(f"{server.name}/{model}", words, False, config)


def _leaves(base_url: str, model: str | None) -> bool:
    return not ServerAddress.parse(base_url).is_loopback or runs_in_cloud(model or "")


def _changed(policy: ModelConfig, engine: str, **changes: Any) -> ModelConfig:
    """Return the section with another model; a configured key goes nowhere but to the configured server."""
    return policy.model_copy(update={"engine": engine, "base_url": None, "api_key": None, **changes})


def _builtin() -> Model:
    from assistant.models.builtin import Builtin

    return Builtin()
