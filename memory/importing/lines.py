"""Reads a file of JSON lines, gzipped or not, one line at a time; what cannot be read is said, never guessed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from memory.errors import ImportFileError

MAX_LINE_BYTES = 32 * 1024 * 1024
"""A longer line is no record; it is passed over without being held."""

_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank, or what is wrong with it."""

    number: int
    """From 1."""
    text: str = ""
    problem: str = ""


class _Content(Protocol):
    def readline(self, size: int, /) -> bytes: ...


def read_lines(path: Path) -> Generator[Line, None, None]:
    """Yield the lines of a file; after a damaged place in a gzip file nothing can follow.

    Raises:
        ImportFileError: the file cannot be opened.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) if packed else raw as content:
                yield from _lines(content)
    except OSError as error:
        raise ImportFileError(f"cannot read {path}: {error.strerror or error}") from error


def _lines(content: _Content) -> Iterator[Line]:
    number = 0
    while True:
        number += 1
        try:
            line = content.readline(MAX_LINE_BYTES)
            whole = len(line) < MAX_LINE_BYTES or line.endswith(b"\n")
            while len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                line = content.readline(MAX_LINE_BYTES)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            yield Line(number, problem="the gzip file is damaged or cut off here; nothing after it can be read")
            return
        if not line:
            return
        if not whole:
            yield Line(number, problem=f"longer than {MAX_LINE_BYTES} bytes")
        elif line.strip():
            yield _decoded(number, line)


def _decoded(number: int, line: bytes) -> Line:
    try:
        return Line(number, line.decode("utf-8-sig" if number == 1 else "utf-8").strip())
    except UnicodeDecodeError as error:
        return Line(number, problem=f"not UTF-8 at byte {error.start}")
