"""The HTTP client of a running backend; the only file that knows httpx.

Yields the wire's own events and values, cleaned of control characters. Ignores event types it does not know, pings
included. Imports httpx and the wire format on opening, in a thread, so that importing this module costs nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

from tui.errors import ClientError
from tui.text import clean, clean_json

if TYPE_CHECKING:
    import httpx
    from pydantic import BaseModel

    from assistant import wire

    ModelT = TypeVar("ModelT", bound=BaseModel)

CONNECT_S = 5.0
REPLY_S = 30.0
SILENCE_S = 60.0
"""A stream is given up after so long without a byte; the backend pings every 15 seconds."""

_LOOPBACK = re.compile(r"^(localhost|127(\.\d+){3}|::1)$")


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine."""
    return bool(_LOOPBACK.match(urlsplit(url).hostname or ""))


def _load() -> None:
    import httpx  # noqa: F401
    import httpx_sse  # noqa: F401

    from assistant import wire  # noqa: F401


class Client:
    """One backend, one key. Open it with `await Client.open(...)`, close it with `await client.close()`."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self.url = url

    @classmethod
    async def open(cls, url: str, key: str | None) -> Client:
        """Prepare a client; nothing is sent yet.

        Raises:
            ClientError: the address or the key cannot be used.
        """
        await asyncio.to_thread(_load)
        import httpx

        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ClientError(f"{url!r} is no address: give it as http://host:port", code="bad_url")
        if key is not None and not (key.isascii() and key.isprintable()):
            raise ClientError("the key has characters that no key has: check --key or ATTUNE_KEY", code="bad_key")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(REPLY_S, connect=CONNECT_S)
        http = httpx.AsyncClient(
            base_url=url.rstrip("/"),
            headers=headers,
            timeout=timeout,
            trust_env=not is_loopback(url),
            verify=parts.scheme == "https",  # reading certificates costs a tenth of a second
        )
        return cls(http, url.rstrip("/"))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # ---------------------------------------------------------------- health

    async def alive(self) -> bool:
        """Whether something answers `/healthz` with success."""
        try:
            return (await self._http.get("/healthz", timeout=2.0)).is_success
        except self._transport_errors():
            return False

    async def ready(self) -> wire.Health:
        """Return the state of each dependency, also where the backend is not ready."""
        from assistant import wire

        response = await self._request("GET", "/readyz", accept_errors=True)
        return self._parse(wire.Health, response)

    # ---------------------------------------------------------------- conversations

    async def create_conversation(self) -> wire.Conversation:
        """Begin a conversation; its title comes from the first message."""
        from assistant import wire

        return self._parse(wire.Conversation, await self._request("POST", "/v1/conversations", body={}))

    async def conversations(self, most: int = 200) -> list[wire.Conversation]:
        """List conversations, newest first, at most `most`."""
        from assistant import wire

        found: list[wire.Conversation] = []
        cursor: str | None = None
        while True:
            response = await self._request("GET", "/v1/conversations", params=_page(cursor))
            page = self._parse(wire.ConversationPage, response)
            found += page.data
            cursor = page.next_cursor
            if not cursor or not page.data or len(found) >= most:
                return found[:most]

    async def conversation(self, conversation_id: str) -> wire.Conversation:
        """Return one conversation without its messages."""
        from assistant import wire

        return self._parse(wire.Conversation, await self._request("GET", f"/v1/conversations/{_id(conversation_id)}"))

    async def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation with its messages."""
        await self._request("DELETE", f"/v1/conversations/{_id(conversation_id)}")

    async def messages(self, conversation_id: str) -> list[wire.Message]:
        """List all messages of a conversation, oldest first."""
        from assistant import wire

        found: list[wire.Message] = []
        cursor: str | None = None
        while True:
            path = f"/v1/conversations/{_id(conversation_id)}/messages"
            page = self._parse(wire.MessagePage, await self._request("GET", path, params=_page(cursor)))
            found += page.data
            cursor = page.next_cursor
            if not cursor or not page.data:
                return found

    # ---------------------------------------------------------------- one turn

    async def send(self, conversation_id: str, text: str, client_message_id: str) -> AsyncIterator[wire.Event]:
        """Send a message and yield the events of its turn; the same `client_message_id` is the same message.

        Raises:
            ClientError: refused, unreachable, `garbled`, `cut` where the stream ends before the reply does, or what an
                `error` event says.
        """
        import httpx_sse

        path = f"/v1/conversations/{_id(conversation_id)}/messages"
        body = {"content": clean(text), "stream": True, "client_message_id": client_message_id}
        ended = False
        try:
            async with httpx_sse.aconnect_sse(self._http, "POST", path, json=body, timeout=_stream_timeout()) as source:
                if source.response.is_error:
                    await source.response.aread()
                    raise _refused(source.response)
                async for frame in source.aiter_sse():
                    event = _event(frame.data)
                    if event is None:
                        continue
                    if event.type == "error":
                        error = event.error
                        raise ClientError(error.message, code=error.code, retry_after=error.retry_after)
                    ended = ended or event.type in ("message.completed", "message.retracted")
                    yield event
        except httpx_sse.SSEError as problem:
            raise _garbled("an answer that is no event stream") from problem
        except self._transport_errors() as problem:
            if ended:
                return
            raise self._lost(problem) from problem
        if not ended:
            raise ClientError("the connection ended before the reply did; what was said so far is kept", code="cut")

    async def cancel(self, stream_id: str) -> None:
        """Ask a running turn to stop and keep what it has."""
        await self._request("POST", f"/v1/streams/{_id(stream_id)}/cancel")

    # ---------------------------------------------------------------- memories and safety

    async def memories(self, most: int = 1000) -> list[wire.Memory]:
        """List what is remembered, newest first, at most `most`."""
        from assistant import wire

        found: list[wire.Memory] = []
        cursor: str | None = None
        while True:
            page = self._parse(wire.MemoryPage, await self._request("GET", "/v1/me/memories", params=_page(cursor)))
            found += page.data
            cursor = page.next_cursor
            if not cursor or not page.data or len(found) >= most:
                return found[:most]

    async def forget(self, memory_id: str, *, dry_run: bool = False) -> wire.Forgotten:
        """Forget a memory, or list what would go with it."""
        from assistant import wire

        params = {"dry_run": "true"} if dry_run else {}
        path = f"/v1/me/memories/{_id(memory_id)}"
        return self._parse(wire.Forgotten, await self._request("DELETE", path, params=params))

    async def resources(self) -> wire.ResourceCard:
        """Return where a person in distress can turn."""
        from assistant import wire

        return self._parse(wire.ResourceCard, await self._request("GET", "/v1/safety/resources"))

    # ---------------------------------------------------------------- the wire

    async def _request(
        self,
        method: Literal["GET", "POST", "DELETE"],
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        accept_errors: bool = False,
    ) -> httpx.Response:
        try:
            response = await self._http.request(method, path, params=params, json=body)
        except self._transport_errors() as error:
            raise self._lost(error) from error
        if response.is_error and not accept_errors:
            raise _refused(response)
        return response

    def _parse(self, model: type[ModelT], response: httpx.Response) -> ModelT:
        try:
            return model.model_validate(clean_json(response.json()))
        except ValueError as error:
            if response.is_error:
                raise _refused(response) from error
            raise _garbled(f"an answer to {response.request.url.path} that is not the protocol") from error

    def _transport_errors(self) -> tuple[type[Exception], ...]:
        import httpx

        return (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError)

    def _lost(self, error: Exception) -> ClientError:
        import httpx

        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return ClientError(
                f"nothing answers at {self.url}: start it with 'attune serve', or start attune-chat without --url"
            )
        if isinstance(error, httpx.ReadTimeout):
            return ClientError(f"{self.url} stopped answering; try again, or look at its log", code="timeout")
        return ClientError(
            f"the connection to {self.url} was lost ({type(error).__name__}); what was said so far is kept", code="cut"
        )


def _event(data: str) -> wire.Event | None:
    from assistant import wire

    if not data:
        return None
    try:
        parsed = json.loads(data)
        kind = parsed["type"]
    except (ValueError, TypeError, KeyError) as error:
        raise _garbled("an event that cannot be read") from error
    if not isinstance(kind, str) or kind not in _KNOWN:
        return None
    try:
        return wire.EVENT.validate_python(clean_json(parsed))
    except ValueError as error:
        raise _garbled(f"a {kind} event that cannot be read") from error


_KNOWN = frozenset(
    ("message.created", "context.used", "safety", "delta", "notice", "message.completed", "message.retracted", "error")
)


def _refused(response: httpx.Response) -> ClientError:
    from assistant import wire

    try:
        error = wire.ErrorEnvelope.model_validate(clean_json(response.json())).error
    except ValueError:
        return ClientError(
            f"{response.request.url.host} answered {response.status_code} to {response.request.url.path}; "
            "is it an Attune backend of this version?",
            code="garbled",
            status=response.status_code,
        )
    message = error.message
    if response.status_code == 401:
        message += "; give your key with --key or ATTUNE_KEY"
    elif error.retry_after:
        message += f"; try again in {error.retry_after:.0f} s"
    return ClientError(message, code=error.code, status=response.status_code, retry_after=error.retry_after)


def _garbled(what: str) -> ClientError:
    return ClientError(f"the backend sent {what}; update it and attune-chat to the same version", code="garbled")


def _stream_timeout() -> httpx.Timeout:
    import httpx

    return httpx.Timeout(SILENCE_S, connect=CONNECT_S)


def _page(cursor: str | None) -> dict[str, str]:
    return {"cursor": cursor} if cursor else {}


def _id(value: str) -> str:
    return quote(value, safe="")
