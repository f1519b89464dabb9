"""What a scripted server answers to one chat request: good replies and every way of failing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.fakes.gate import Gate
from tests.fakes.scripted_model import words

Ending = Literal["done", "hang", "cut", "no_done"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply in the protocol, whole or broken off at its end."""

    pieces: tuple[str | Gate, ...] = ()
    """The deltas, in order; a Gate holds the stream until the test opens it."""
    reasoning: tuple[str, ...] = ()
    """Deltas of thinking, sent first in a field of their own."""
    reasoning_field: str = "reasoning_content"
    finish_reason: str | None = "stop"
    ending: Ending = "done"
    """`hang` stays silent after the pieces, `cut` drops the connection, `no_done` ends without `[DONE]`."""
    delay_s: float = 0.0
    """Before each piece."""
    usage: tuple[int, int] = (7, 3)


@dataclass(frozen=True, slots=True)
class Raw:
    """Exactly these bytes, whatever they are."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    close: bool = False
    """Close the connection after them, whatever length the headers promised."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Not one byte: the connection stays open, or is dropped at once."""

    drop: bool = False


Scripted = Answer | Raw | Silence


def reply(text: str | Sequence[str | Gate], **changes: Any) -> Answer:
    """Reply with a text (streamed word by word) or with the given pieces."""
    return Answer(pieces=tuple(words(text) if isinstance(text, str) else text), **changes)


def hang() -> Silence:
    """Take the request and never answer."""
    return Silence()


def drop() -> Silence:
    """Take the request and close the connection without a byte."""
    return Silence(drop=True)


def hang_after(*pieces: str) -> Answer:
    """Send some pieces and then nothing more, connection open."""
    return Answer(pieces=pieces, ending="hang")


def cut_after(*pieces: str) -> Answer:
    """Send some pieces and then drop the connection in mid-stream."""
    return Answer(pieces=pieces, ending="cut")


def error(status: int, message: str = "scripted failure", *, retry_after: str | None = None, code: str = "") -> Raw:
    """Answer with an HTTP error in OpenAI's form."""
    body = json.dumps({"error": {"message": message, "type": "scripted", "code": code or status}}).encode()
    return Raw(body, status, headers={} if retry_after is None else {"Retry-After": retry_after})


def not_json() -> Raw:
    """Answer 200 with a web page."""
    return Raw(b"<html><body>It works!</body></html>", content_type="text/html")


def events(*data: str) -> Raw:
    """Answer 200 with an event stream of exactly these data lines."""
    return Raw("".join(f"data: {line}\n\n" for line in data).encode(), content_type="text/event-stream")


def chunk(text: str | None, finish_reason: str | None = None) -> str:
    """Return one well-formed stream chunk as JSON, to mix into `events`."""
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish_reason}
    return json.dumps({"object": "chat.completion.chunk", "choices": [choice]})


def error_in_stream(*before: str, message: str = "scripted failure") -> Raw:
    """Stream some pieces and then an error object."""
    return events(*(chunk(piece) for piece in before), json.dumps({"error": {"message": message, "code": 500}}))
