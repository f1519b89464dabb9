"""Chat messages as one text, for a tokenizer with or without a chat template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from assistant.models.door import ChatMessage

FALLBACK_STOPS = ("\nUser:", "\nSystem:")
"""Where a model without a template would go on speaking for the person."""


def plain(messages: Sequence[ChatMessage]) -> str:
    """Return a transcript that ends where the assistant speaks; lines inside a message are indented.

    The indent keeps a line such as `Assistant:` inside somebody's words from passing for a new message.
    """
    lines = [f"{message['role'].capitalize()}: " + message["content"].replace("\n", "\n  ") for message in messages]
    return "\n".join([*lines, "Assistant:"])


def alternating(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Return the messages without a system role and with roles taking turns, for templates that insist on it."""
    turns: list[ChatMessage] = []
    for message in messages:
        role: Literal["user", "assistant"] = "assistant" if message["role"] == "assistant" else "user"
        if turns and turns[-1]["role"] == role:
            turns[-1] = {"role": role, "content": f"{turns[-1]['content']}\n\n{message['content']}"}
        else:
            turns.append({"role": role, "content": message["content"]})
    return turns


def templated(messages: Sequence[ChatMessage], render: Callable[[Sequence[ChatMessage]], str]) -> str:
    """Render with a template, in the plainer form when the template refuses the messages as they are."""
    from jinja2 import TemplateError

    try:
        return render(messages)
    except TemplateError:
        return render(alternating(messages))
