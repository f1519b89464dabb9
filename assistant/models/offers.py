"""What `/v1/models` of a server says: which models it offers and what kind of server it is."""

from __future__ import annotations

import json
from dataclasses import dataclass

from assistant.errors import ModelGarbledError


@dataclass(frozen=True, slots=True)
class Offers:
    """The models of one server; empty where it does not say."""

    models: tuple[str, ...] = ()
    """In the server's order."""
    is_vllm: bool = False

    def includes(self, model: str) -> bool:
        """Whether the server has this model; Ollama's names may leave out `:latest`."""
        return model in self.models or f"{model}:latest" in self.models


def read_offers(content: bytes, *, by: str, role: str = "policy") -> Offers:
    """Read the body of `/v1/models`.

    Raises:
        ModelGarbledError: it is not an OpenAI list of models.
    """
    try:
        body = json.loads(content)
        models = body["data"] or []
        names = tuple(model["id"] for model in models)
        owners = {model.get("owned_by") for model in models}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        names, owners = (None,), set()
    if not all(isinstance(name, str) and name for name in names):
        raise ModelGarbledError(
            f"{by} does not list its models as OpenAI-compatible servers do; check {role}.base_url (most end in /v1)"
        )
    return Offers(tuple(str(name) for name in names), "vllm" in owners)
