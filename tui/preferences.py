"""What the person likes about the terminal, kept in `terminal.json` of the home; keys stand in a file of their own."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "terminal.json"
THEME_NAMES = ("dark", "light", "dark-contrast", "light-contrast")


@dataclass(frozen=True, slots=True)
class Preferences:
    """A person's choices; the defaults where the file is missing or unreadable."""

    theme: str = "dark"
    """One of `THEME_NAMES`."""
    enter_sends: bool = True
    """False: Enter begins a new line and Ctrl+J sends."""
    met: bool = False
    """Whether the first page was read."""

    @classmethod
    def load(cls, home: Path) -> Preferences:
        """Read the choices; what cannot be read is the default."""
        try:
            kept = json.loads((home / FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return cls()
        if not isinstance(kept, dict):
            return cls()
        theme = kept.get("theme")
        return cls(
            theme=theme if theme in THEME_NAMES else "dark",
            enter_sends=kept.get("enter_sends") is not False,
            met=kept.get("met") is True,
        )

    def save(self, home: Path) -> None:
        """Write the choices.

        Raises:
            OSError: the home cannot be written; the choices then hold until the client is left.
        """
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")
