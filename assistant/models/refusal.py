"""From the HTTP status of a model server to an error with its repair.

A server's own words are read for hints and never repeated: servers quote the request back, and the request is what
people said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assistant.errors import ModelError, ModelGarbledError, ModelRefusedError, ModelUnreachableError
from assistant.models.address import ServerAddress
from assistant.models.backoff import retry_after

_TOO_LONG = (
    "context length",
    "context_length",
    "maximum context",
    "context window",
    "too many tokens",
    "too long",
    "max_model_len",
)
_OPTIONAL = {
    "response_format": ("response_format", "json_schema", "json schema", "structured output", "grammar"),
    "chat_template_kwargs": ("chat_template", "enable_thinking"),
    "cache_salt": ("cache_salt",),
    "stream_options": ("stream_options",),
}


class UnsupportedField(Exception):
    """The server does not take one optional field of the request; ask again without it."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def unsupported_field(status: int, text: str, body: Mapping[str, object]) -> str | None:
    """Return the optional field of `body` that a refusal complains of, if it names one."""
    if status not in (400, 422):
        return None
    low = text.lower()
    return next((f for f, hints in _OPTIONAL.items() if f in body and any(hint in low for hint in hints)), None)


def unknown_model(address: ServerAddress, model: str, offered: Sequence[str], role: str) -> ModelRefusedError:
    """Return the error for a model that the server does not have."""
    shown = ", ".join(offered[:8]) + (", …" if len(offered) > 8 else "")
    repair = f"it offers {shown}; set {role}.model to one of them" if offered else f"check {role}.model"
    return ModelRefusedError(f"the server at {address.base_url} does not know model {model!r}; {repair}")


def status_error(
    status: int, text: str, headers: Mapping[str, str], address: ServerAddress, model: str, role: str
) -> ModelError:
    """Return the error for a response other than 200; `text` is the server's body."""
    server = f"the model server at {address.base_url}"
    key = f"ATTUNE_{role.upper()}__API_KEY"
    if status in (408, 425, 429) or status >= 500:
        wait = retry_after(headers)
        busy = "is busy (429)" if status == 429 else f"failed ({status})"
        return ModelUnreachableError(f"{server} {busy}; try again, or look at its log", retry_after=wait)
    if status == 401:
        return ModelRefusedError(f"{server} does not accept the API key (401); set {key}")
    if status == 403:
        return ModelRefusedError(f"{server} does not let this API key use model {model!r} (403); check {key}")
    if status == 404:
        return ModelRefusedError(f"{server} has no chat completions for model {model!r} (404); check {role}.base_url")
    if 300 <= status < 400:
        return ModelRefusedError(f"{server} has moved ({status}); set {role}.base_url to its new address")
    if any(hint in text.lower() for hint in _TOO_LONG):
        return ModelRefusedError(
            f"the prompt and its reply do not fit the context of model {model!r} at {address.base_url};"
            f" lower {role}.context_tokens or {role}.max_tokens"
        )
    if status >= 400:
        return ModelRefusedError(f"{server} refused the request for model {model!r} ({status}); its log says why")
    return ModelGarbledError(f"{server} answered with the unexpected status {status}; check {role}.base_url")
