"""One process owns the data directory: two on one embedded Chroma corrupt each other's view of it.

The lock is the operating system's on `attune.lock`, so it goes with the process however that ends. Who holds it is
written into `attune.pid` and, by a running backend, into `backend.json`; both are for the message only.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from memory.errors import DataDirectoryLockedError


class DataDirectoryLock:
    """Holds the data directory `home` while it is entered; creates it when it is not there."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = FileLock(home / "attune.lock", thread_local=False)

    def __enter__(self) -> DataDirectoryLock:
        """Take the lock, without waiting.

        Raises:
            DataDirectoryLockedError: another process, or another part of this one, holds it.
        """
        try:
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout as held:
            raise DataDirectoryLockedError(self._held_by()) from held
        except OSError as error:
            repair = "Repair: choose another with ATTUNE_HOME, or make this one writable"
            raise DataDirectoryLockedError(f"cannot lock the data directory {self._home}: {error}. {repair}") from error
        self._pid_file.write_text(f"{os.getpid()}\n", encoding="ascii")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back."""
        self._pid_file.unlink(missing_ok=True)
        self._lock.release()

    @property
    def _pid_file(self) -> Path:
        return self._home / "attune.pid"

    def _held_by(self) -> str:
        pid, url = "unknown", ""
        try:
            pid = self._pid_file.read_text(encoding="ascii").strip() or pid
            url = f" and answers at {json.loads((self._home / 'backend.json').read_text(encoding='utf-8'))['url']}"
        except (OSError, ValueError, KeyError, TypeError):
            pass  # the files are for this message only: without them it says less
        return (
            f"the data directory {self._home} is in use: process {pid} holds it{url}. "
            "Repair: stop that process, or set ATTUNE_HOME to a directory of its own"
        )
