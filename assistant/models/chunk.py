"""One event of a chat completion stream, read into a value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from assistant.errors import ModelGarbledError, ModelRefusedError, ModelUnreachableError

DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one event adds to a reply."""

    text: str = ""
    thought: str = ""
    """Thinking in a field of its own; never shown."""
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def is_token(self) -> bool:
        """Whether the model produced something, visible or not."""
        return bool(self.text or self.thought)


def read_chunk(data: str, *, by: str) -> Chunk:
    """Read the data of one event; `by` names the server for error messages.

    Raises:
        ModelGarbledError: it is not a chunk of the protocol.
        ModelRefusedError: it is an error object with a client-error code.
        ModelUnreachableError: it is any other error object.
    """
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        raise ModelGarbledError(f"{by} sent an event that is not JSON") from None
    if not isinstance(event, dict):
        raise ModelGarbledError(f"{by} sent an event that is not a JSON object")
    if event.get("error") or event.get("object") == "error":
        raise _reported(event, by)
    choices = event.get("choices")
    if not isinstance(choices, list):
        raise ModelGarbledError(f"{by} sent an event without choices")
    choice = choices[0] if choices else {}
    if not isinstance(choice, dict):
        raise ModelGarbledError(f"{by} sent a choice that is not a JSON object")
    delta = choice.get("delta") or {}
    usage = event.get("usage") or {}
    if not isinstance(delta, dict) or not isinstance(usage, dict):
        raise ModelGarbledError(f"{by} sent an event that is not of the protocol")
    return Chunk(
        text=_text(delta, "content", by),
        thought=_text(delta, "reasoning_content", by) or _text(delta, "reasoning", by),
        finish_reason=_text(choice, "finish_reason", by) or None,
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
    )


def _text(values: dict[str, Any], key: str, by: str) -> str:
    value = values.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ModelGarbledError(f"{by} sent {key} that is not text")
    return value


def _count(usage: dict[str, Any], key: str) -> int | None:
    value = usage.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _reported(event: dict[str, Any], by: str) -> ModelRefusedError | ModelUnreachableError:
    error = event["error"] if isinstance(event.get("error"), dict) else event
    code = str(error.get("code") or "")
    if code.isdecimal() and 400 <= int(code) < 500 and int(code) not in (408, 429):
        return ModelRefusedError(f"{by} refused the request in its stream (code {code})")
    return ModelUnreachableError(f"{by} reported a failure in its stream; its log says more")
