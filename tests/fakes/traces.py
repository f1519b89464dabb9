"""Where a word stands in the files below a directory, as any text encoding would write it."""

from __future__ import annotations

from pathlib import Path

CODES = ("utf-8", "utf-16-le", "utf-16-be")


def in_files(home: Path, word: str) -> list[str]:
    """Return the files that hold the word."""
    forms = [word.encode(code) for code in CODES]
    files = (path for path in home.rglob("*") if path.is_file())
    return [str(path) for path in files if any(form in path.read_bytes() for form in forms)]
