"""Which data set a build is building: its id, its secret and when it was begun, kept in the build's work directory.

A build that was cut short goes on under the same identity, so that people keep their random ids and pseudonyms. The
secret makes pseudonyms what nobody can compute from the data set; it never leaves the work directory.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from memory.ids import new_id
from training.errors import DatasetError

_FILE = "identity.json"


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a data set this one."""

    id: str
    secret: str = field(repr=False)
    """In hexadecimal."""
    began: datetime
    work: Path | None = None
    """The build's work directory."""


def open_identity(work_dir: Path) -> Identity:
    """Return the identity of the build in this directory, made and written down the first time.

    Raises:
        DatasetError: the directory cannot be written, or what stands there is not an identity.
    """
    path = work_dir / _FILE
    try:
        work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            fresh = {"id": new_id("set"), "secret": secrets.token_hex(32), "began": datetime.now(UTC).isoformat()}
            draft = path.with_suffix(".new")
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(fresh, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        read = json.loads(path.read_text(encoding="utf-8"))
        return Identity(str(read["id"]), str(read["secret"]), datetime.fromisoformat(read["began"]), work_dir)
    except OSError as error:
        raise DatasetError(
            f"cannot work in {work_dir}: {error.strerror or error}. Repair: choose a directory that you may write"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is damaged. Repair: remove {work_dir} and build from the beginning") from error
