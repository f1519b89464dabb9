"""Chroma's vector files, freed of what was never written into them.

hnswlib reserves room for a hundred vectors and more, and Chroma writes that room to the disk as it finds it in memory:
with whatever the process held there before, which may be what anybody said (seen with chromadb 1.5.9). This writes
zeros over the room that holds no vector; nothing reads it.

It also says which of these files are cut short: hnswlib believes their header and reads beyond their end, which ends
the process. Vectors that were overwritten in place go unnoticed.
"""

from __future__ import annotations

import struct
from pathlib import Path

_LAYOUT = struct.Struct("<i4Q")
"""The header's beginning: version, offset, room for vectors, vectors there, bytes of each."""
_HEADER = 100
"""Bytes of the whole header."""
_LENGTHS = 4
"""Bytes of each vector in the file of lengths."""
_COUNT = struct.Struct("<I")
"""Before each vector's links to the upper layers: how many bytes they take."""


class Padding:
    """The unused room in the vector files below one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._clean: dict[Path, tuple[int, int]] = {}

    def clear(self, *, closed: bool) -> None:
        """Write zeros over it; while Chroma has the files open (not `closed`), only where no vector was written yet."""
        for header in self._directory.glob("*/header.bin"):
            raw = header.read_bytes()[: _LAYOUT.size]
            if len(raw) < _LAYOUT.size:
                continue
            _, _, _, vectors, size = _LAYOUT.unpack(raw)
            if vectors * size > _bytes(header.with_name("data_level0.bin")):
                continue  # no header of theirs
            if vectors == 0 or closed:
                self._blank(header.with_name("data_level0.bin"), vectors * size)
                self._blank(header.with_name("length.bin"), vectors * _LENGTHS)

    def _blank(self, path: Path, start: int) -> None:
        if not path.exists() or self._clean.get(path) == _state(path):
            return
        with path.open("r+b") as file:
            file.seek(start)
            rest = file.read()
            if rest.strip(b"\0"):
                file.seek(start)
                file.write(bytes(len(rest)))
        self._clean[path] = _state(path)


def cut_short(directory: Path) -> Path | None:
    """Return one of the vector files below `directory` that holds less than its header says; None for none."""
    for header in directory.glob("*/header.bin"):
        raw = header.read_bytes()
        if len(raw) < _HEADER:
            return header
        _, _, room, vectors, size = _LAYOUT.unpack_from(raw)
        if vectors == 0:
            continue
        data, lengths, links = (header.with_name(f"{name}.bin") for name in ("data_level0", "length", "link_lists"))
        if vectors > room or not size or _bytes(data) < vectors * size:
            return data
        if _bytes(lengths) < vectors * _LENGTHS:
            return lengths
        if not links.exists() or not _holds(links.read_bytes(), vectors):
            return links
    return None


def _holds(links: bytes, vectors: int) -> bool:
    at = 0
    for _ in range(vectors):
        if at + _COUNT.size > len(links):
            return False
        at += _COUNT.size + int(_COUNT.unpack_from(links, at)[0])
    return at <= len(links)


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size
