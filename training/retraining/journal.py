"""What of the road is done: for each step the inputs it was done with, what came of it, and when; one JSON file.

The file is replaced as a whole, so that it is never half written, and only when a step has ended: a step that was
killed is not in it and is begun again, in the same directory, where it goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.errors import ConfigError

Inputs = Mapping[str, str]
"""By name, each as a hash or a word."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One step that was done."""

    inputs: dict[str, str]
    outputs: dict[str, Any]
    at: str
    """When it ended."""
    seconds: float
    """How long it took."""


@dataclass(slots=True)
class Journal:
    """The journal of one work directory; `open` reads it."""

    path: Path
    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Read what was done, nothing where there is no file yet.

        Raises:
            ConfigError: the file is damaged.
        """
        if not path.exists():
            return cls(path)
        try:
            steps = json.loads(path.read_text(encoding="utf-8"))["steps"]
            return cls(path, {name: Entry(**values) for name, values in steps.items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{path} is no journal of a retraining ({error!r}); remove it, and everything is done again"
            ) from error

    def note(self, name: str, entry: Entry) -> None:
        """Write down that a step is done."""
        self.entries[name] = entry
        steps = {step: asdict(one) for step, one in self.entries.items()}
        draft = self.path.with_name(f"{self.path.name}.new")
        with draft.open("w", encoding="utf-8") as file:
            file.write(json.dumps({"steps": steps}, indent=2, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, self.path)

    def why_again(self, name: str, inputs: Inputs) -> str | None:
        """Say why a step has to be done; None where it was done with these inputs."""
        entry = self.entries.get(name)
        if entry is None:
            return "not done yet"
        changed = [one for one in inputs if entry.inputs.get(one) != inputs[one]]
        changed += [one for one in entry.inputs if one not in inputs]
        return f"changed: {', '.join(changed)}" if changed else None


def digest(value: Any) -> str:
    """Return the hash of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
