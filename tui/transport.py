"""Requests and event streams over HTTP; the only file that knows httpx.

Yields the wire's own events and values, cleaned of control characters. Ignores event types it does not know, pings
included. Turns every failure into a `ClientError` that names the repair. Import it late: httpx is slow to import.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import httpx
import httpx_sse
from pydantic import BaseModel

from assistant import wire
from tui.door import is_loopback
from tui.errors import ClientError
from tui.text import clean_json

ModelT = TypeVar("ModelT", bound=BaseModel)
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

CONNECT_S = 5.0
REPLY_S = 30.0
LONG_S = 600.0
"""For what the backend works on for minutes: packing or taking in everything somebody said."""
PIECE_BYTES = 256 * 1024
SILENCE_S = 60.0
"""A stream is given up after so long without a byte; the backend pings every 15 seconds."""

IDLE_S = 2.0
"""A connection is not used again after so long without a request; the backend closes it after five seconds."""
GONE = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
"""How a connection shows that the backend closed it while it was idle; what only reads is then asked once more."""

LOST = (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError)

_KNOWN = frozenset(
    ("message.created", "context.used", "safety", "delta", "notice", "message.completed", "message.retracted", "error")
)


class Transport:
    """One backend, one key."""

    def __init__(self, url: str, key: str | None, *, silence_s: float = SILENCE_S) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ClientError(f"{url!r} is no address: give it as http://host:port", code="bad_url")
        if key is not None and not (key.isascii() and key.isprintable()):
            raise ClientError("the key has characters that no key has: check --key or ATTUNE_KEY", code="bad_key")
        self.url = url.rstrip("/")
        self._silence_s = silence_s
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(REPLY_S, connect=CONNECT_S),
            limits=httpx.Limits(keepalive_expiry=IDLE_S),
            trust_env=not is_loopback(url),
            verify=parts.scheme == "https",  # reading certificates costs a tenth of a second
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def answers(self, path: str, *, within_s: float) -> bool:
        """Whether `path` is answered with success in time."""
        try:
            return (await self._http.get(path, timeout=within_s)).is_success
        except LOST:
            return False

    async def ask(
        self,
        model: type[ModelT],
        method: Method,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        accept_errors: bool = False,
        within_s: float = REPLY_S,
    ) -> ModelT:
        """Ask for a value; `accept_errors` where an error status carries one too.

        Raises:
            ClientError: refused, unreachable, or not the protocol.
        """
        try:
            timeout = httpx.Timeout(within_s, connect=CONNECT_S)
            try:
                response = await self._http.request(method, path, params=params, json=body, timeout=timeout)
            except GONE:
                if method != "GET":
                    raise
                response = await self._http.request(method, path, params=params, timeout=timeout)
        except LOST as error:
            raise self._lost(error) from error
        if response.is_error and not accept_errors:
            raise _refused(response)
        return _parse(model, response)

    async def do(self, method: Method, path: str, *, body: Mapping[str, Any] | None = None) -> None:
        """Ask for something of which only the success matters.

        Raises:
            ClientError: as `ask`.
        """
        try:
            response = await self._http.request(method, path, json=body)
        except LOST as error:
            raise self._lost(error) from error
        if response.is_error:
            raise _refused(response)

    async def events(
        self,
        method: Method,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[tuple[int, wire.Event]]:
        """Yield the events of a turn with their numbers, for coming back to it; an event without one has 0.

        Raises:
            ClientError: refused, unreachable, `garbled`, `cut` where the stream ends before the reply does, or what an
                `error` event says.
        """
        timeout, ended = httpx.Timeout(self._silence_s, connect=CONNECT_S), False
        try:
            async with httpx_sse.aconnect_sse(
                self._http, method, path, params=params, json=body, timeout=timeout
            ) as source:
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
                    yield int(frame.id) if frame.id.isascii() and frame.id.isdigit() else 0, event
        except httpx_sse.SSEError as problem:
            raise _garbled("an answer that is no event stream") from problem
        except LOST as problem:
            if ended:
                return
            raise self._lost(problem) from problem
        if not ended:
            raise ClientError("the connection ended before the reply did; what was said so far is kept", code="cut")

    async def lines(self, method: Method, path: str, *, body: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Yield the lines of JSON that are answered, as they come.

        Raises:
            ClientError: as `ask`.
        """
        timeout = httpx.Timeout(LONG_S, connect=CONNECT_S)
        try:
            async with self._http.stream(method, path, json=body, timeout=timeout) as response:
                if response.is_error:
                    await response.aread()
                    raise _refused(response)
                async for line in response.aiter_lines():
                    yield _line(line)
        except LOST as error:
            raise self._lost(error) from error

    async def upload(self, path: str, file: Path, *, params: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        """Send a file and yield the lines of JSON that are answered, as they come.

        Raises:
            ClientError: as `ask`; also where the file cannot be read.
        """
        try:
            async with self._http.stream(
                "POST", path, params=params, content=_pieces(file), timeout=httpx.Timeout(LONG_S, connect=CONNECT_S)
            ) as response:
                if response.is_error:
                    await response.aread()
                    raise _refused(response)
                async for line in response.aiter_lines():
                    yield _line(line)
        except LOST as error:
            raise self._lost(error) from error
        except OSError as error:
            raise ClientError(f"{file} cannot be read: {error.strerror}", code="file") from error

    async def download(self, path: str, file: Path) -> dict[str, Any] | None:
        """Write what `path` answers to `file`, whole or not at all; None then, else the JSON that says how far it is.

        Raises:
            ClientError: as `ask`; also where the file cannot be written.
        """
        part = file.with_name(file.name + ".part")
        try:
            async with self._http.stream("GET", path, timeout=httpx.Timeout(LONG_S, connect=CONNECT_S)) as response:
                if response.is_error or response.status_code == 202:
                    content = await response.aread()
                    if response.is_error:
                        raise _refused(response)
                    return _line(content.decode("utf-8", "replace"))
                with part.open("wb") as out:
                    async for piece in response.aiter_bytes():
                        out.write(piece)
            part.replace(file)
        except LOST as error:
            raise self._lost(error) from error
        except OSError as error:
            raise ClientError(f"{file} cannot be written: {error.strerror}; give another place", code="file") from error
        finally:
            part.unlink(missing_ok=True)
        return None

    def _lost(self, error: Exception) -> ClientError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return ClientError(
                f"nothing answers at {self.url}: start it with 'attune serve', or start attune-chat without --url"
            )
        if isinstance(error, httpx.ReadTimeout):
            return ClientError(f"{self.url} stopped answering; try again, or look at its log", code="timeout")
        return ClientError(f"the connection to {self.url} was lost; what was said so far is kept", code="cut")


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as content:
        while piece := await asyncio.to_thread(content.read, PIECE_BYTES):
            yield piece


def _line(text: str) -> dict[str, Any]:
    try:
        parsed = clean_json(json.loads(text))
    except ValueError as error:
        raise _garbled("an answer that is not the protocol") from error
    return parsed if isinstance(parsed, dict) else {}


def _parse(model: type[ModelT], response: httpx.Response) -> ModelT:
    try:
        return model.model_validate(clean_json(response.json()))
    except ValueError as error:
        if response.is_error:
            raise _refused(response) from error
        raise _garbled(f"an answer to {response.request.url.path} that is not the protocol") from error


def _event(data: str) -> wire.Event | None:
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


def _refused(response: httpx.Response) -> ClientError:
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
