"""The edge of the HTTP app: request ids, body limits, timings, and every error as the one envelope."""

from __future__ import annotations

import logging
import math
from time import perf_counter
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant import wire
from assistant.errors import (
    AttuneError,
    BadRequestError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    ProtocolError,
    TooLargeError,
)
from memory import errors as memory_errors
from memory.ledger.columns import UnstorableError
from memory.ledger.page import InvalidCursorError

log = logging.getLogger(__name__)


class Boundary:
    """Pure ASGI middleware: gives each response its id and timing, and refuses bodies over the limit."""

    def __init__(self, app: ASGIApp, max_body_bytes: int, unlimited: tuple[str, ...] = ()) -> None:
        """`unlimited` are path prefixes whose bodies are streamed and bounded by the route itself."""
        self._app = app
        self._max = max_body_bytes
        self._unlimited = unlimited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, request_id = perf_counter(), f"req_{uuid4().hex}"
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                spent = (perf_counter() - started) * 1000
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"server-timing", f"total;dur={spent:.1f}".encode()),
                ]
            await send(message)

        if scope["path"].startswith(self._unlimited):
            await self._app(scope, receive, send_marked)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._max:
            await self._refuse(scope, receive, send_marked)
            return
        await self._app(scope, self._counted(receive), send_marked)

    def _counted(self, receive: Receive) -> Receive:
        """Count the body while it is read, for clients that do not say its length."""
        seen = 0

        async def receive_counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max:
                raise HTTPException(413, f"the body is over {self._max} bytes")
            return message

        return receive_counted

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = TooLargeError(f"the request body is over {self._max} bytes")
        await respond(Request(scope), error)(scope, receive, send)


def respond(request: Request, error: AttuneError) -> JSONResponse:
    """Turn an error into the envelope."""
    body = wire.ErrorBody(
        message=error.message,
        type=error.type,
        code=error.code,
        param=error.param,
        request_id=request.scope.get("state", {}).get("request_id"),
        retry_after=error.retry_after,
    )
    headers = dict(error.headers)
    if error.retry_after is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after))
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    envelope = wire.ErrorEnvelope(error=body)
    return JSONResponse(envelope.model_dump(), status_code=error.status, headers=headers)


def install(app: FastAPI) -> None:
    """Register the handlers that turn every exception into the envelope."""
    app.add_exception_handler(AttuneError, _attune)
    app.add_exception_handler(memory_errors.MemoryLayerError, _memory)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _attune(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AttuneError)
    return respond(request, error)


async def _memory(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, memory_errors.NotFoundError):
        return respond(request, NotFoundError(str(error)))
    if isinstance(error, memory_errors.ConflictError):
        return respond(request, ConflictError(str(error)))
    if isinstance(error, UnstorableError):
        return respond(request, InvalidRequestError(str(error)))
    if isinstance(error, InvalidCursorError):
        return respond(request, BadRequestError(str(error), param="cursor"))
    if isinstance(error, memory_errors.ImportFileError):
        return respond(request, InvalidRequestError(str(error)))
    log.exception("storage failed", exc_info=error)
    unavailable = AttuneError("the storage could not be used just now; nothing of this request was kept", retry_after=5)
    return respond(request, unavailable)


async def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path")) or None
    if first["type"] == "json_invalid":
        return respond(request, BadRequestError("the body is not valid JSON"))
    return respond(request, InvalidRequestError(f"{where or 'body'}: {first['msg']}", param=where))


_PLAIN = {400: BadRequestError, 404: NotFoundError, 413: TooLargeError}


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}"
    known = _PLAIN.get(error.status_code)
    return respond(request, known(message) if known else ProtocolError(error.status_code, message))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected error", exc_info=error)
    return respond(request, AttuneError("something went wrong on our side; the request id finds it in the log"))
