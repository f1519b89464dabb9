"""The elements of a JSON array, read one at a time, so that a file of any size needs memory for one element."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import IO, Any

from memory.errors import ImportFileError

MAX_ELEMENT_CHARS = 256 * 1024 * 1024
"""A longer element is not held."""
_PIECE = 1 << 20
_WHITE = " \t\n\r"


def elements(name: str, file: IO[bytes]) -> Iterator[Any]:
    """Yield the elements of the array that the file is.

    Raises:
        ImportFileError: it is no JSON array in UTF-8, or is cut off; what was yielded before was whole.
    """
    pieces, decoder = _decoded(name, file), json.JSONDecoder()
    text = next(pieces, "").removeprefix("\ufeff").lstrip(_WHITE)
    if not text.startswith("["):
        raise ImportFileError(f"{name} is no JSON array")
    text, ended, number = text[1:], False, 0
    while True:
        text = text.lstrip(_WHITE)
        if text.startswith("]"):
            return
        start = 1 if number and text.startswith(",") else 0
        body = text[start:].lstrip(_WHITE)
        try:
            if not body or bool(number) != bool(start):
                raise ValueError("an element must follow")
            element, end = decoder.raw_decode(body)
            if end == len(body) and not ended:
                raise ValueError("a number may go on in the next piece")
        except RecursionError:
            raise ImportFileError(f"{name}: element {number + 1} is nested too deeply") from None
        except ValueError as error:
            if ended or len(text) > MAX_ELEMENT_CHARS:
                raise ImportFileError(f"{name} is damaged or cut off in element {number + 1}") from error
            more, wanted = [text], max(_PIECE, len(text))
            while wanted > 0 and not ended:
                piece = next(pieces, None)
                ended = piece is None
                more.append(piece or "")
                wanted -= len(piece or "")
            text = "".join(more)
            continue
        number += 1
        text = body[end:]
        yield element


def _decoded(name: str, file: IO[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while piece := file.read(_PIECE):
            yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise ImportFileError(f"{name} is not UTF-8") from None
