"""Where archives lie: `exports/<person>/`, below the data directory. Forgetting anything of a person clears theirs."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from memory.ids import is_id

_PLACE = "exports"
KEPT_S = 7 * 24 * 3600.0
"""An export is kept for so long; it can be made again."""


def directory(home: Path, person_id: str) -> Path:
    """Return where a person's exports lie, whether or not there are any."""
    if not is_id(person_id):
        raise ValueError(f"not an id of a person of ours: {person_id!r}")
    return home / _PLACE / person_id


def archive_path(home: Path, person_id: str, export_id: str) -> Path:
    """Return where an export lies, or will."""
    if not is_id(export_id, "job"):
        raise ValueError(f"not an id of an export: {export_id!r}")
    return directory(home, person_id) / f"{export_id}.zip"


def exports(home: Path, person_id: str) -> list[Path]:
    """Return a person's exports, and what a broken one left."""
    return sorted(path for path in directory(home, person_id).glob("*") if path.is_file())


def clear(home: Path, person_id: str) -> int:
    """Delete a person's exports; return how many there were."""
    found = exports(home, person_id)
    for path in found:
        path.unlink(missing_ok=True)
    shutil.rmtree(directory(home, person_id), ignore_errors=True)
    return len(found)


def tidy(home: Path, now: float | None = None) -> int:
    """Delete what is older than an export is kept; return how many there were."""
    limit = (time.time() if now is None else now) - KEPT_S
    old = [path for path in (home / _PLACE).glob("*/*") if path.is_file() and path.stat().st_mtime < limit]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
