"""Whether another process holds a lock of SQLite on a database file; asking takes no lock, and drops none.

Chroma waits for such a lock without end, and while it writes, counts or opens the whole process stands still with it
(seen with chromadb 1.5.9: its core keeps Python's lock meanwhile). So it is asked first. Only a lock that is taken in
the instant between asking and using is still waited for. On systems other than Linux and macOS nothing is ever seen.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import time
from pathlib import Path

PATIENCE_S = 1.0
"""How long a lock of another process is waited for; they are mostly held for milliseconds."""
_LOOK_S = 0.02
_PENDING, _SHARED, _LENGTH = 0x40000000, 0x40000002, 510
"""SQLite's lock bytes: pending, reserved, and the range of those who read."""
_LAYOUTS = {"linux": ("hhqqi4x", (0, 2, 3)), "darwin": ("qqihh", (3, 0, 1))}
"""Of `struct flock` for each system, and where its type, start and length stand."""


class LockedError(Exception):
    """Another process holds a lock on the file."""


class ForeignLock:
    """Looks for locks on one file, which it keeps open: closing it would drop this process's own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR) if path.exists() and sys.platform in _LAYOUTS else None

    def wait(self, *, writing: bool) -> None:
        """Return once the file may be read, or written; blocks.

        Raises:
            LockedError: not within `PATIENCE_S`.
        """
        deadline = time.monotonic() + PATIENCE_S
        while self._held(writing):
            if time.monotonic() > deadline:
                raise LockedError(f"another process holds a lock on {self._path.name}")
            time.sleep(_LOOK_S)

    def close(self) -> None:
        """Let go of the file, once nothing else of this process uses it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _held(self, writing: bool) -> bool:
        if self._file is None:
            return False
        if writing:
            return _is_held(self._file, fcntl.F_WRLCK, _PENDING, 2 + _LENGTH)
        return any(_is_held(self._file, fcntl.F_RDLCK, *bytes_) for bytes_ in ((_PENDING, 1), (_SHARED, _LENGTH)))


def _is_held(file: int, kind: int, start: int, length: int) -> bool:
    """Say whether another process's lock stands against one of this kind."""
    layout, (type_at, start_at, length_at) = _LAYOUTS[sys.platform]
    fields = [0] * 5
    fields[type_at], fields[start_at], fields[length_at] = kind, start, length
    answer = fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(layout, *fields))
    return bool(struct.unpack(layout, answer)[type_at] != fcntl.F_UNLCK)
