"""Secrets of the environment: in a variable, or in the file that the variable with `_FILE` behind its name names."""

from __future__ import annotations

import os
from pathlib import Path

from memory.errors import SecretError

SUFFIX = "_FILE"


def secret(name: str) -> str | None:
    """Return the secret of this name, or None when there is none.

    Raises:
        SecretError: its file cannot be read.
    """
    path = os.environ.get(name + SUFFIX)
    return read_secret(path, name + SUFFIX) if path else os.environ.get(name) or None


def read_secret(path: str, name: str) -> str:
    """Read a secret from a file, without the line's end; `name` is the variable that names it.

    Raises:
        SecretError: it cannot be read, or is empty.
    """
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"{name} names {path}, which cannot be read: {error}") from error
    if not value:
        raise SecretError(f"{name} names {path}, which is empty: write the secret into it")
    return value
