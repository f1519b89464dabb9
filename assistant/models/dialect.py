"""How a question is put to one server: the fields of the request that this server takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.config import ModelConfig
from assistant.models.door import ChatMessage, Sampling
from assistant.models.structured import asking_for


@dataclass(frozen=True, slots=True)
class Call:
    """One question, independent of what the server supports."""

    messages: Sequence[ChatMessage]
    sampling: Sampling
    cache_salt: str | None = None
    schema: Mapping[str, Any] | None = None


class Dialect:
    """Writes request bodies, and remembers what the server refused."""

    def __init__(self, config: ModelConfig, *, hosted: bool = False) -> None:
        """Start from everything; `hosted` means OpenAI's own API, which renamed `max_tokens`."""
        self._config = config
        self._max_tokens = "max_completion_tokens" if hosted else "max_tokens"
        self._format = "json_schema"
        self._refused: set[str] = set()

    def do_without(self, field: str) -> None:
        """Leave out `field` from now on; a schema is first asked for in a weaker form."""
        if field == "response_format" and self._format == "json_schema":
            self._format = "json_object"
        else:
            self._refused.add(field)

    def body(self, call: Call, model: str, *, is_vllm: bool) -> dict[str, Any]:
        """Return the body of the request."""
        sampling = call.sampling
        body: dict[str, Any] = {
            "model": model,
            "messages": list(call.messages),
            "stream": True,
            "stream_options": {"include_usage": True},
            self._max_tokens: sampling.max_tokens,
        }
        optional = {
            "temperature": self._config.temperature if sampling.temperature is None else sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "stop": list(sampling.stop) or None,
            "cache_salt": (call.cache_salt or None) if is_vllm else None,
            "chat_template_kwargs": {"enable_thinking": False} if is_vllm and not self._config.thinking else None,
        }
        body |= {name: value for name, value in optional.items() if value is not None}
        if call.schema is not None:
            body |= self._constrained(call.messages, call.schema)
        return {name: value for name, value in body.items() if name not in self._refused}

    def _constrained(self, messages: Sequence[ChatMessage], schema: Mapping[str, Any]) -> dict[str, Any]:
        if self._format == "json_schema":
            name = re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title", "answer")))[:64]
            wanted = {"name": name, "schema": dict(schema), "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": wanted}}
        return {"messages": asking_for(schema, messages), "response_format": {"type": "json_object"}}
