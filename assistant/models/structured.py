"""Answers in JSON where the engine cannot be held to a schema: ask for it in the prompt, check what comes back.

The check is shallow (one JSON value of the schema's type with its required keys); the caller validates the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from assistant.errors import ModelGarbledError
from assistant.models.door import ChatMessage

_FENCE = re.compile(r"\A```[a-zA-Z]*\s*\n(.*?)\n?```\s*\Z", re.DOTALL)


def asking_for(schema: Mapping[str, Any], messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Return the messages with the schema described in the system message."""
    wish = "Answer with one JSON value and nothing else. It must match this JSON schema:\n" + json.dumps(schema)
    if messages and messages[0]["role"] == "system":
        return [{"role": "system", "content": f"{messages[0]['content']}\n\n{wish}"}, *messages[1:]]
    return [{"role": "system", "content": wish}, *messages]


def json_answer(text: str, schema: Mapping[str, Any], *, by: str, cut: bool = False) -> str:
    """Return the JSON of an answer, out of its code fence.

    Args:
        text: The answer.
        schema: What was asked for.
        by: Who answered, for the error message.
        cut: Whether the answer ended at its token limit.

    Raises:
        ModelGarbledError: it is not one JSON value, or not of the schema's type, or a required key is missing.
    """
    stripped = text.strip()
    fenced = _FENCE.match(stripped)
    answer = fenced[1] if fenced else stripped
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        why = "was cut at its token limit; raise max_tokens" if cut else "is not JSON"
        raise ModelGarbledError(f"the structured answer of {by} {why}") from None
    if schema.get("type") == "object":
        if not isinstance(value, dict):
            raise ModelGarbledError(f"the structured answer of {by} is not a JSON object")
        missing = [key for key in schema.get("required", ()) if key not in value]
        if missing:
            raise ModelGarbledError(f"the structured answer of {by} lacks {', '.join(missing)}")
    return answer
