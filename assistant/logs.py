"""Logs without a word of what people said: as lines to read, or as one JSON object a line.

An exception is named by its type and the places it went through. Its message is written only when the error is one of
ours, whose messages never quote people; those of libraries may.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from assistant.errors import AttuneError
from memory.errors import MemoryLayerError

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""That of the request being served, for every record written meanwhile."""

ACCESS = logging.getLogger("assistant.access")
"""One record a request, at INFO."""

_KNOWN = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class _Reading(logging.Formatter):
    """Lines to read."""

    def formatException(self, ei: Any) -> str:
        return told(ei[1])


class _Json(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        body: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id.get() is not None:
            body["request_id"] = request_id.get()
        body |= {name: value for name, value in record.__dict__.items() if name not in _KNOWN}
        if record.exc_info and record.exc_info[1] is not None:
            body["error"] = told(record.exc_info[1])
        return json.dumps(body, ensure_ascii=False, default=str)


def told(error: BaseException) -> str:
    """Say what an error is and where it came from, without what a library's message may quote."""
    words = f": {error}" if isinstance(error, AttuneError | MemoryLayerError) else ""
    lines = [f"{type(error).__name__}{words}", *_places(error.__traceback__)]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and cause is not error:
        lines.append(f"because of {told(cause)}")
    return "\n".join(lines)


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)
    return [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]


def formatter(format: Literal["text", "json"]) -> logging.Formatter:
    """What writes a record so."""
    return _Json() if format == "json" else _Reading("%(asctime)s %(levelname)s %(name)s: %(message)s")


def configure(format: Literal["text", "json"]) -> None:
    """Write logs to standard error: warnings and errors, and with `json` every request too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(format))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    ACCESS.setLevel(logging.INFO if format == "json" else logging.WARNING)
