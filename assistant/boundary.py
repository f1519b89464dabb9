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

from assistant import logs, wire
from assistant.errors import (
    AttuneError,
    BadRequestError,
    ConflictError,
    HeadersTooLargeError,
    InvalidRequestError,
    NotFoundError,
    ProtocolError,
    StorageUnavailableError,
    TooLargeError,
)
from assistant.metrics import Metrics
from memory import errors as memory_errors
from memory.ledger.columns import UnstorableError
from memory.ledger.page import InvalidCursorError

log = logging.getLogger(__name__)


class Boundary:
    """Pure ASGI middleware: gives each response its id and timing, and refuses bodies over the limit."""

    def __init__(
        self, app: ASGIApp, max_body_bytes: int, max_header_bytes: int, unlimited: tuple[str, ...] = ()
    ) -> None:
        """`unlimited` are path prefixes whose bodies are streamed and bounded by the route itself."""
        self._app = app
        self._max = max_body_bytes
        self._max_headers = max_header_bytes
        self._unlimited = unlimited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, request_id = perf_counter(), f"req_{uuid4().hex}"
        scope.setdefault("state", {})["request_id"] = request_id

        token = logs.request_id.set(request_id)
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                spent = (perf_counter() - started) * 1000
                _count(scope, status, spent / 1000)
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"server-timing", f"total;dur={spent:.1f}".encode()),
                ]
            await send(message)

        try:
            await self._limited(scope, receive, send_marked)
        except Exception as error:
            if status:  # what was begun can only be cut off
                raise
            await (await _unexpected(Request(scope), error))(scope, receive, send_marked)
        finally:
            logs.ACCESS.info("served", extra=_served(scope, status, (perf_counter() - started) * 1000))
            logs.request_id.reset(token)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(self._unlimited):
            await self._app(scope, receive, send)
            return
        if sum(len(name) + len(value) for name, value in scope["headers"]) > self._max_headers:
            too_large = HeadersTooLargeError(
                f"the request's headers are over {self._max_headers} bytes: send fewer or shorter ones"
            )
            await respond(Request(scope), too_large)(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._max:
            await self._refuse(scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        """Count the body while it is read, for clients that do not say its length."""
        seen = 0

        async def receive_counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max:
                raise HTTPException(413, f"the body is over {self._max} bytes: send less at once")
            return message

        return receive_counted

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = TooLargeError(f"the request body is over {self._max} bytes: send less at once")
        await respond(Request(scope), error)(scope, receive, send)


def _route(scope: Scope) -> str:
    """The template of the route, which names nobody; paths hold ids."""
    return getattr(scope.get("route"), "path", "unknown")


def _count(scope: Scope, status: int, seconds: float) -> None:
    runtime = getattr(scope["app"].state, "runtime", None)
    if runtime is None:
        return
    metrics: Metrics = runtime.metrics
    metrics.requests.labels(scope["method"], _route(scope), str(status)).inc()
    metrics.request_seconds.labels(scope["method"], _route(scope)).observe(seconds)


def _served(scope: Scope, status: int, ms: float) -> dict[str, object]:
    """What is logged of a request: neither its path, which holds ids, nor its query, body or key."""
    return {"method": scope["method"], "route": _route(scope), "status": status, "ms": round(ms, 1)}


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
        return respond(request, NotFoundError(f"{error}: it does not exist, was deleted, or belongs to somebody else"))
    if isinstance(error, memory_errors.ConflictError):
        return respond(request, ConflictError(str(error)))
    if isinstance(error, UnstorableError):
        return respond(request, InvalidRequestError(str(error)))
    if isinstance(error, InvalidCursorError):
        return respond(request, BadRequestError(str(error), param="cursor"))
    if isinstance(error, memory_errors.ImportFileError):
        return respond(request, InvalidRequestError(str(error)))
    log.exception("storage failed", exc_info=error)
    said = "the storage could not be used just now; nothing of this request was kept"
    return respond(request, StorageUnavailableError(said, retry_after=1))


async def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path")) or None
    if first["type"] == "json_invalid":
        return respond(request, BadRequestError("the body is not valid JSON"))
    said = _PLAINLY.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    return respond(request, InvalidRequestError(f"{where or 'body'}: {said}", param=where))


_PLAINLY = {
    "extra_forbidden": "there is no such field; /docs lists those there are",
    "model_attributes_type": "must be a JSON object, sent with 'Content-Type: application/json'",
}
"""Words for what pydantic says in its own terms, by its type of error."""
_REPAIRS = {
    400: "the body cannot be read: send JSON in UTF-8",
    404: "there is no such endpoint; /docs lists those there are",
    405: "it does not know this method; /docs lists those it knows",
}


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    said = _REPAIRS.get(error.status_code, error.detail)
    message = f"{request.method} {request.url.path}: {said}"
    known = _PLAIN.get(error.status_code)
    return respond(request, known(message) if known else ProtocolError(error.status_code, message))


_PLAIN = {400: BadRequestError, 404: NotFoundError, 413: TooLargeError}


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected error", exc_info=error)
    return respond(request, AttuneError("something went wrong on our side; the request id finds it in the log"))
