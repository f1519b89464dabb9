"""One OpenAI-compatible server over HTTP: what it offers, and one answer as a stream of chunks.

One request per call: no retry, no choice of fields. Every failure of the transport or the protocol comes out as a
ModelError with its repair. What people wrote never enters an error, nor do the server's own words, which may quote it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent

from assistant.config import ModelConfig
from assistant.errors import ConfigError, ModelError, ModelGarbledError, ModelRefusedError, ModelUnreachableError
from assistant.models.address import ServerAddress
from assistant.models.chunk import DONE, Chunk, read_chunk
from assistant.models.offers import Offers, read_offers
from assistant.models.refusal import UnsupportedField, status_error, unknown_model, unsupported_field

_ERROR_BODY_BYTES = 64 * 1024
_OFFERS_BYTES = 4 * 1024 * 1024
_AFTER_FINISH_S = 1.0
"""How long to wait for the token counts once a reply has ended."""
_AFTER_DONE_S = 0.1
_CLIENT_ERRORS = (TimeoutError, httpx.RequestError)


class ModelServer:
    """A server and the connections to it; deadlines are times of the running loop."""

    def __init__(self, config: ModelConfig, *, role: str = "policy") -> None:
        """Prepare the client; nothing is connected yet.

        Raises:
            ConfigError: `base_url` is missing or no address.
        """
        if config.base_url is None:
            raise ConfigError(f"{role}.base_url is missing; write it like http://127.0.0.1:8000/v1")
        self._config = config
        self._role = role
        self.address = ServerAddress.parse(config.base_url, role=role)
        self.by = f"the model server at {self.address.base_url}"
        key = config.api_key.get_secret_value() if config.api_key else None
        self._client = httpx.AsyncClient(
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(None, connect=config.connect_timeout_s),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            trust_env=not self.address.is_loopback,  # a proxy of the environment must not see local traffic
        )

    async def offers(self, deadline: float) -> Offers:
        """Ask what the server offers; nothing is known of a server that does not list its models.

        Raises:
            ModelError: it does not answer, refuses, or answers something else than a list.
        """
        request = self._client.build_request("GET", f"{self.address.base_url}/models")
        response = await self._send(request, deadline)
        try:
            content = await self._read(response, deadline, _OFFERS_BYTES)
        finally:
            await response.aclose()
        if response.status_code in (404, 405, 501):
            return Offers()
        if response.status_code != 200:
            model = self._config.model or "default"
            raise status_error(response.status_code, "", response.headers, self.address, model, self._role)
        return read_offers(content, by=self.by, role=self._role)

    async def chunks(self, body: Mapping[str, Any], deadline: float) -> AsyncGenerator[Chunk, None]:
        """Send one chat request and yield its chunks; `deadline` is that of the first token.

        Closing the generator closes the connection, unless the answer is complete.

        Raises:
            ModelError: see the class.
            UnsupportedField: the server does not take an optional field of `body`.
        """
        loop = asyncio.get_running_loop()
        begun = finished = False
        async with self._answering(body, deadline) as events:
            while True:
                data = await self._next(events, deadline, begun=begun, finished=finished)
                if data is None or data == DONE:
                    break
                chunk = read_chunk(data, by=self.by)
                yield chunk
                begun = begun or chunk.is_token
                finished = finished or chunk.finish_reason is not None
                if finished:
                    deadline = loop.time() + _AFTER_FINISH_S
                elif chunk.is_token:
                    deadline = loop.time() + self._config.between_tokens_timeout_s
            if data == DONE:
                finished = True
                # Reading to the end lets the connection serve the next request.
                with suppress(StopAsyncIteration, *_CLIENT_ERRORS):
                    async with asyncio.timeout(_AFTER_DONE_S):
                        await anext(events)
        if not finished:
            raise ModelUnreachableError(f"{self.by} ended its answer before it was complete; try again")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _next(
        self, events: AsyncIterator[ServerSentEvent], deadline: float, *, begun: bool, finished: bool
    ) -> str | None:
        """Return the data of the next event; None at the end of the stream."""
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    event = await anext(events)
                    if event.data:
                        return event.data
        except StopAsyncIteration:
            return None
        except _CLIENT_ERRORS as error:
            if finished:
                return None
            raise self._broken(error, begun=begun) from error

    @asynccontextmanager
    async def _answering(
        self, body: Mapping[str, Any], deadline: float
    ) -> AsyncIterator[AsyncGenerator[ServerSentEvent, None]]:
        """Open the stream of one request; leaving closes the connection when the stream is not at its end."""
        request = self._client.build_request("POST", f"{self.address.base_url}/chat/completions", json=body)
        response = await self._send(request, deadline)
        try:
            if response.status_code != 200:
                raise await self._refusal(response, body, deadline)
            if "text/event-stream" not in response.headers.get("content-type", ""):
                raise ModelGarbledError(
                    f"{self.by} answered with something that is no event stream; check that {self._role}.base_url is"
                    " that of an OpenAI-compatible server (most end in /v1)"
                )
            async with aclosing(EventSource(response).aiter_sse()) as events:
                yield events
        finally:
            await response.aclose()

    async def _refusal(
        self, response: httpx.Response, body: Mapping[str, Any], deadline: float
    ) -> ModelError | UnsupportedField:
        text = (await self._read(response, deadline, _ERROR_BODY_BYTES)).decode(errors="replace")
        field = unsupported_field(response.status_code, text, body)
        if field is not None:
            return UnsupportedField(field)
        model = str(body["model"])
        if response.status_code == 404:
            with suppress(ModelError):
                offers = await self.offers(deadline)
                if offers.models and not offers.includes(model):
                    return unknown_model(self.address, model, offers.models, self._role)
        return status_error(response.status_code, text, response.headers, self.address, model, self._role)

    async def _send(self, request: httpx.Request, deadline: float) -> httpx.Response:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._client.send(request, stream=True)
        except _CLIENT_ERRORS as error:
            raise self._broken(error, begun=False) from error

    async def _read(self, response: httpx.Response, deadline: float, limit: int) -> bytes:
        content = b""
        try:
            async with asyncio.timeout_at(deadline):
                async for part in response.aiter_bytes():
                    content += part
                    if len(content) > limit:
                        break
        except _CLIENT_ERRORS as error:
            raise self._broken(error, begun=False) from error
        return content

    def _broken(self, error: Exception, *, begun: bool) -> ModelError:
        """Translate a failure of the transport, by what it was and when."""
        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
            repair = f"start it, or set {self._role}.base_url"
            return ModelUnreachableError(f"nothing answers at {self.address.base_url}; {repair}")
        if isinstance(error, (TimeoutError, httpx.TimeoutException)):
            knob = "between_tokens_timeout_s" if begun else "first_token_timeout_s"
            when = "fell silent in mid-reply" if begun else "did not begin to answer in time"
            return ModelUnreachableError(f"{self.by} {when}; see its load, or raise {self._role}.{knob}")
        if isinstance(error, httpx.UnsupportedProtocol):
            return ModelRefusedError(f"{self.by} cannot be asked over this protocol; use http or https")
        if isinstance(error, httpx.DecodingError):
            return ModelGarbledError(f"{self.by} sent a body that cannot be decompressed")
        when = "in mid-reply" if begun else "before it answered"
        return ModelUnreachableError(f"{self.by} closed the connection {when}; its log says why")
