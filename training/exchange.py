"""How questions are put to one OpenAI-compatible server and how what it sends is read: no connection, no retries.

It learns what the server does not take: a schema is asked for in weaker and weaker forms, a refused field is left out.
Errors quote neither the prompt nor the server's words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from assistant.errors import ModelError, ModelRefusedError
from assistant.models.address import ServerAddress
from assistant.models.backoff import retry_after
from assistant.models.refusal import status_error, unsupported_field
from assistant.models.structured import asking_for
from assistant.models.thinking import after_thinking, visible
from training.answers import NotJsonError, NotOfSchemaError, read_answer
from training.calls import Answer, Call, CallError, Failure
from training.endpoint import Endpoint

_RESEED = 7919
"""Added to the seed when an unusable answer is asked for again."""


class OtherFormatError(Exception):
    """The server does not take a field of the request; ask again without it."""


class Exchange:
    """The form of requests and answers of one server."""

    def __init__(self, endpoint: Endpoint, address: ServerAddress) -> None:
        self._endpoint = endpoint
        self._address = address
        self._by = f"the model server at {address.base_url}"
        self._format = "json_schema"
        self._without: set[str] = set()

    def body(self, call: Call, unusable: int) -> dict[str, Any]:
        """Return what is sent for a call; `unusable` is how many of its answers could not be used."""
        endpoint = self._endpoint
        body: dict[str, Any] = {
            "model": endpoint.model,
            "messages": [dict(message) for message in call.messages],
            "temperature": endpoint.temperature if call.temperature is None else call.temperature,
            "max_tokens": call.max_tokens or endpoint.max_tokens,
            **endpoint.extra_body,
        }
        if call.seed is not None and endpoint.seeded:
            body["seed"] = call.seed + unusable * _RESEED
        if call.schema is not None:
            body |= self._constrained(call.schema, body["messages"])
        return {name: value for name, value in body.items() if name not in self._without}

    def _constrained(self, schema: Mapping[str, Any], messages: Sequence[Any]) -> dict[str, Any]:
        if self._format == "json_schema":
            name = re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title", "answer")))[:64]
            wanted = {"name": name, "schema": dict(schema), "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": wanted}}
        asked = {"messages": asking_for(schema, messages)}
        return asked if self._format == "text" else {**asked, "response_format": {"type": "json_object"}}

    def weaken(self, response: httpx.Response, body: Mapping[str, Any]) -> None:
        """Note what the server does not take, if that is why it refused.

        Raises:
            OtherFormatError: it is; the next body has another form.
        """
        field = unsupported_field(response.status_code, response.text, body)
        if field == "response_format":
            # Calls that were under way in the stronger form must not weaken it twice.
            if body["response_format"]["type"] == self._format:
                self._format = "json_object" if self._format == "json_schema" else "text"
            raise OtherFormatError
        if field is not None and field not in self._without:
            self._without.add(field)
            raise OtherFormatError

    def refusal(self, response: httpx.Response) -> CallError:
        """Return the error that an answer with a failing status is."""
        error: ModelError = status_error(
            response.status_code, response.text, response.headers, self._address, self._endpoint.model, "endpoint"
        )
        if not isinstance(error, ModelRefusedError):
            return CallError(str(error), "unreachable", wait=retry_after(response.headers))
        message = str(error).replace("ATTUNE_ENDPOINT__API_KEY", self._endpoint.api_key_env or "api_key_env")
        return CallError(message, "refused", fatal=response.status_code in (401, 403, 404) or response.is_redirect)

    def check_models(self, response: httpx.Response) -> None:
        """Return when the server's list of models names the endpoint's, or there is no list.

        Raises:
            CallError: it names others only, or is no list of models.
        """
        if response.status_code in (404, 405):
            return  # a server that does not list its models
        if response.status_code != 200:
            raise self.refusal(response)
        try:
            offered = [str(one["id"]) for one in response.json()["data"]]
        except (ValueError, KeyError, TypeError):
            raise CallError(
                f"{self._by} does not answer like an OpenAI-compatible server; check base_url (most end in /v1)",
                "garbled",
                fatal=True,
            ) from None
        if offered and self._endpoint.model not in offered:
            shown = ", ".join(offered[:8])
            raise CallError(
                f"{self._by} does not know model {self._endpoint.model!r}; it offers {shown}: set model to one of them",
                "refused",
                fatal=True,
            )

    def read(self, response: httpx.Response, call: Call, seconds: float) -> Answer:
        """Return the answer that a response holds.

        Raises:
            CallError: it holds none that can be used.
        """
        try:
            body = response.json()
            choice = body["choices"][0]
            message = choice["message"]
            raw = message.get("content") or ""
            if call.schema is not None:
                # vLLM's reasoning parsers put the constrained answer of a model that does not think there.
                raw = raw or message.get("reasoning_content") or message.get("reasoning") or ""
            cut = choice.get("finish_reason") == "length"
            raw = raw.encode("utf-8", "replace").decode()  # half characters cannot be kept
            text = after_thinking(raw) if call.schema is not None else visible(raw)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            raise CallError(
                f"{self._by} sent something that is no chat completion; check base_url", "garbled"
            ) from None
        return Answer(text, self._value(text, call, cut=cut), *_usage(body), seconds, cut)

    def _value(self, text: str, call: Call, *, cut: bool) -> Any:
        if call.schema is None:
            if text.strip():
                return None
            kind: Failure = "length" if cut else "garbled"
            raise CallError(f"{self._by} answered without a visible word; raise max_tokens or turn thinking off", kind)
        try:
            return read_answer(text, call.schema)
        except (NotJsonError, NotOfSchemaError) as error:
            if cut:
                raise CallError(f"an answer of {self._by} was cut; raise max_tokens", "length") from None
            kind = "garbled" if isinstance(error, NotJsonError) else "schema"
            raise CallError(f"an answer of {self._by} cannot be used: {error}", kind) from None


def _usage(body: Mapping[str, Any]) -> tuple[int, int, int | None]:
    """Return prompt, completion and cached tokens; a server that does not count gives nought."""
    usage = body.get("usage")
    if not isinstance(usage, Mapping):
        return 0, 0, None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else None
    return _count_of(usage, "prompt_tokens"), _count_of(usage, "completion_tokens"), cached


def _count_of(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) else 0
