"""Old copies of deleted rows between the cells of SQLite's pages.

`secure_delete` overwrites what is freed, but when SQLite spreads rows over pages anew it leaves old copies of them in
the unused middle of a page. They belong to no row, so deleting the row does not reach them; measured on SQLite 3.40,
where one in a few dozen rows of text that changed had one. This looks into those gaps and nowhere else.

It looks from a process of its own: to close a descriptor of the file here would drop the locks that SQLite holds in
this process, and another process could then remove the write-ahead log that is in use.
"""

from __future__ import annotations

import json
import mmap
import struct
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

_HEADER = 100
"""Bytes before the first page's own header."""
_CELLS = {2: 12, 5: 12, 10: 8, 13: 8}
"""Length of a page's header by its type: index and table, inner and leaf."""
_PIECE = 16
"""Who left a copy left at least so many bytes in a row; shorter ones are not looked for, unless a text is shorter."""
_SHORTEST = 6
_NOTHING, _FOUND = 0, 10
"""How the process that looks ends."""


def has_remnant(path: Path, texts: Collection[str]) -> bool:
    """Say whether the gaps of a database file hold a piece of any of these texts; reads the whole file.

    Raises:
        OSError: the file could not be read.
    """
    command = [sys.executable, "-I", str(Path(__file__).resolve()), str(path)]
    done = subprocess.run(command, input=json.dumps(list(texts)).encode(), capture_output=True, check=False)
    if done.returncode not in (_NOTHING, _FOUND):
        raise OSError(f"{path} could not be looked through: {done.stderr.decode(errors='replace')[-300:]}")
    return done.returncode == _FOUND


def _has(path: Path, texts: Collection[str]) -> bool:
    pieces = {piece for text in texts for piece in _pieces(text.encode("utf-8", "surrogatepass"))}
    gaps = _gaps(path) if pieces else b""
    lengths = {len(piece) for piece in pieces}
    return any(gaps[at : at + length] in pieces for length in lengths for at in range(len(gaps) - length + 1))


def _pieces(text: bytes) -> list[bytes]:
    """Cut a text so that each run of two pieces' length in it holds a whole one."""
    if len(text) < _PIECE:
        return [text] if len(text) >= _SHORTEST else []
    return [text[at : at + _PIECE] for at in range(0, len(text) - _PIECE + 1, _PIECE)]


def _gaps(path: Path) -> bytes:
    """Return what is not zero in the gaps of all pages, the gaps kept apart."""
    found: list[bytes] = []
    with path.open("rb") as file:
        if path.stat().st_size < _HEADER:
            return b""
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
            (size,) = struct.unpack_from(">H", pages, 16)
            size = 65536 if size == 1 else size
            for start in range(0, len(pages) - size + 1, size):
                gap = _gap(pages, start, size)
                if gap.strip(b"\0"):
                    found.append(gap.strip(b"\0"))
    return b"\0\0".join(found)


def _gap(pages: mmap.mmap, start: int, size: int) -> bytes:
    header = start + (_HEADER if start == 0 else 0)
    length = _CELLS.get(pages[header])
    if length is None:
        return b""
    cells, content = struct.unpack_from(">HH", pages, header + 3)
    begin, end = header + length + 2 * cells, start + (content or 65536)
    return pages[begin:end] if begin < end <= start + size else b""


if __name__ == "__main__":
    sys.exit(_FOUND if _has(Path(sys.argv[1]), json.load(sys.stdin)) else _NOTHING)
