"""Connections that cost nothing when nobody is behind them: uvicorn's HTTP/1.1 with three limits more.

- A request's headers must come within a time from the connection's opening, or from their first byte; a body may not
  fall silent for that long. What is late is cut. Headers over their limit are answered with 400 by h11.
- A client that reads nothing of its answer for a time is cut, so that nothing is held for it.
- Beyond so many connections, the one that has waited longest without a whole request makes room for a new one.

It holds no data of its own: what a slow client has not read yet stays within the transport's buffer of 64 KiB.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from assistant import wire
from assistant.config import ServerConfig


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how many."""

    request_s: float
    send_s: float
    connections: int

    @classmethod
    def of(cls, config: ServerConfig) -> Patience:
        """What the configuration says."""
        return cls(config.request_timeout_s, config.send_timeout_s, config.max_connections)


class Connection(H11Protocol):
    """One connection; made by `protocol`, which says how patient it is."""

    patience = Patience(20.0, 60.0, 2000)

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._late: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._make_room()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop every clock."""
        self._late = _stop(self._late)
        self._stuck = _stop(self._stuck)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request; while more of it must come, it must come soon."""
        headers_pending = self.waits_for_headers and self._late is not None
        super().data_received(data)
        if not self.waits_for_headers and self.conn.their_state is not h11.SEND_BODY:
            self._late = _stop(self._late)
        elif not (headers_pending and self.waits_for_headers):
            self._wait()  # a body goes on; only the headers have one clock from beginning to end

    def on_response_complete(self) -> None:
        """Leave an idle connection to the keep-alive clock, and a half-sent next request to ours."""
        self._late = _stop(self._late)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client reads slower than we speak: from now on it has so long to read anything."""
        super().pause_writing()
        _stop(self._stuck)
        self._stuck = self._later(self.patience.send_s)

    def resume_writing(self) -> None:
        """The client reads again."""
        self._stuck = _stop(self._stuck)
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Answer what is no HTTP, or has too long headers, with the envelope that every error has."""
        limit = self.config.h11_max_incomplete_event_size
        request_id = f"req_{uuid4().hex}"
        error = wire.ErrorBody(
            message=f"this is not HTTP/1.1, or its first line and headers are over {limit} bytes",
            type="invalid_request_error",
            code="bad_request",
            request_id=request_id,
        )
        body = wire.ErrorEnvelope(error=error).model_dump_json().encode()
        headers = [
            ("content-type", "application/json"),
            ("connection", "close"),
            ("content-length", str(len(body))),
            ("x-request-id", request_id),
            ("server-timing", "total;dur=0.0"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    @property
    def waits_for_headers(self) -> bool:
        """Whether no whole head of a request has come since the last answer."""
        return self.conn.their_state is h11.IDLE

    def _wait(self) -> None:
        _stop(self._late)
        self._late = self._later(self.patience.request_s)

    def _later(self, seconds: float) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, self.transport.abort)

    def _make_room(self) -> None:
        if len(self.connections) <= self.patience.connections:
            return
        idle = (c for c in self.connections if isinstance(c, Connection) and c is not self and c.waits_for_headers)
        first = min(idle, key=lambda c: c._late.when() if c._late is not None else 0.0, default=self)
        self.connections.discard(first)
        first.transport.abort()


def _stop(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    if timer is not None:
        timer.cancel()
    return None


def protocol(patience: Patience) -> type[asyncio.Protocol]:
    """Return what makes connections of this patience, for uvicorn's `http`."""
    return type("PatientConnection", (Connection,), {"patience": patience})
