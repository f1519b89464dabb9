"""What was written and not sent, kept over a restart in `drafts.json` of the home, readable by its owner alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

FILE = "drafts.json"


def load(home: Path) -> dict[str, str]:
    """The drafts by conversation; none where the file is not there or cannot be read."""
    try:
        kept = json.loads((home / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(kept, dict):
        return {}
    return {place: text for place, text in kept.items() if isinstance(text, str)}


def save(home: Path, drafts: Mapping[str, str]) -> None:
    """Keep the drafts that hold anything; without any there is no file.

    Raises:
        OSError: they cannot be written.
    """
    path, kept = home / FILE, {place: text for place, text in drafts.items() if text.strip()}
    if not kept:
        path.unlink(missing_ok=True)
        return
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        json.dump(kept, out, ensure_ascii=False)
    part.replace(path)
