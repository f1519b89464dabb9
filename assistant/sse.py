"""Turn events as server-sent events: one frame an event, a ping in every long silence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from assistant import wire

log = logging.getLogger(__name__)

T = TypeVar("T")

MAY_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string", "description": "One event a frame."}}}}
}
"""For the OpenAPI of a route that answers with one object or, when asked to stream, with events."""
JSON_LINES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/x-ndjson": {"schema": {"type": "string", "description": "One object a line."}}}}
}
"""For the OpenAPI of a route that answers with a line for each step."""

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


async def frames(events: AsyncIterator[tuple[int, wire.Event]], ping_s: float) -> AsyncIterator[str]:
    """Yield each event as a frame; an unexpected failure becomes a last `error` event."""
    try:
        async for item in with_pings(events, ping_s):
            if item is None:
                yield _frame(None, wire.Ping())
            else:
                yield _frame(*item)
    except Exception:
        log.exception("a stream broke off")
        body = wire.ErrorBody(
            message="something went wrong on our side; your message is kept", type="server_error", code="internal_error"
        )
        yield _frame(None, wire.StreamError(error=body))


async def with_pings(source: AsyncIterator[T], ping_s: float) -> AsyncIterator[T | None]:
    """Pass `source` on, with None for every `ping_s` seconds of silence; closes `source` when closed."""
    coming: asyncio.Future[T] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(source))
            await asyncio.wait({coming}, timeout=ping_s)
            if not coming.done():
                yield None
                continue
            try:
                item = coming.result()
            except StopAsyncIteration:
                return
            coming = None
            yield item
    finally:
        if coming is not None and not coming.done():
            coming.cancel()
            await asyncio.wait({coming})
        aclose = getattr(source, "aclose", None)
        if aclose is not None:
            await aclose()


def _frame(number: int | None, event: wire.Event) -> str:
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {event.type}\ndata: {event.model_dump_json()}\n\n"
