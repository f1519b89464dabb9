"""The key map in force: bindings, footer, command palette, help and the table in docs/terminal.md come from it.

The usual keys are those of `tui.key_table`; a person's own stand in `keys.toml` of the home and win. Does not know
screens or widgets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from textual.binding import Binding, BindingType

from tui.key_table import KEYS, SCOPES, Key, Scope

FILE = "keys.toml"

_NAMES = {
    "escape": "Esc",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "plus": "+",
    "minus": "-",
}


@dataclass(frozen=True, slots=True)
class KeyMap:
    """The keys as they are in force for one person."""

    keys: tuple[Key, ...] = KEYS
    problem: str = ""
    """What is wrong with the person's file, with the repair; empty where nothing is."""

    @classmethod
    def load(cls, home: Path) -> KeyMap:
        """Read the person's own keys; a file that cannot be used changes nothing and is named in `problem`."""
        path = home / FILE
        if not path.exists():
            return cls()
        import tomllib  # most people have no such file, and the first frame waits for this

        try:
            wanted = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            return cls(problem=f"{path} cannot be read, so the usual keys hold: {error}")
        return cls._changed(path, wanted)

    @classmethod
    def _changed(cls, path: Path, wanted: dict[str, Any]) -> KeyMap:
        changes: dict[str, tuple[str, ...]] = {}
        names = {key.name for key in KEYS if key.bound}
        for scope, entries in wanted.items():
            for action, keys in entries.items() if isinstance(entries, dict) else [("", entries)]:
                name = f"{scope}.{action}"
                if name not in names:
                    return cls(problem=f"{path}: {name} is nothing that keys can be given to; F1 lists what there is")
                given = [keys] if isinstance(keys, str) else keys
                if not isinstance(given, list) or not all(isinstance(key, str) and key for key in given):
                    return cls(problem=f'{path}: {name} must be a key or a list of keys, such as "ctrl+n"')
                changes[name] = tuple(given)
        made = tuple(replace(key, keys=changes.get(key.name, key.keys)) for key in KEYS)
        together: list[tuple[Scope, ...]] = [("prompt", "chat"), *((scope,) for scope in SCOPES)]
        for scopes in together:
            seen: dict[str, str] = {}
            for key in made:
                for one in key.keys if key.scope in scopes else ():
                    if seen.setdefault(one, key.name) != key.name:
                        return cls(problem=f"{path}: {one} would do both {seen[one]} and {key.name}")
        return cls(made)

    def in_scope(self, scope: Scope) -> list[Key]:
        """The keys of one scope, in the order of the map."""
        return [key for key in self.keys if key.scope == scope]

    def first_key(self, action: str) -> str:
        """The key to name when telling somebody how to do something."""
        return next((shown(key.keys[:1]) for key in self.keys if key.action == action and key.keys), "Ctrl+P")

    def overrides(self) -> dict[str, str]:
        """What differs from the usual keys, as Textual takes it."""
        usual = {key.name: key.keys for key in KEYS}
        return {key.name: ",".join(key.keys) for key in self.keys if key.bound and key.keys != usual[key.name]}

    def own(self, *scopes: Scope) -> list[str]:
        """The keys that the person gave to something in these scopes."""
        given = self.overrides()
        return [one for key in self.keys if key.scope in scopes and key.name in given for one in key.keys]


def key_map(app: object) -> KeyMap:
    """The key map in force in an app; the usual one in an app that has none."""
    found = getattr(app, "key_map", None)
    return found if isinstance(found, KeyMap) else KeyMap()


def bindings(scope: Scope) -> list[BindingType]:
    """The Textual bindings of one scope, with the names by which a person's own keys replace them."""
    return [
        Binding(
            ",".join(key.keys),
            key.action,
            key.label,
            show=key.footer,
            tooltip=key.help,
            priority=key.above,
            id=key.name,
            key_display=None,
        )
        for key in KEYS
        if key.scope == scope and key.bound and key.keys
    ]


def shown(keys: Iterable[str]) -> str:
    """Keys as a person reads them: `Ctrl+J, Alt+Enter`."""
    return ", ".join("+".join(_NAMES.get(part, part.capitalize()) for part in key.split("+")) for key in keys)


def short(key: str) -> str:
    """A key as the footer has room for: `F3`, `^N`, `Esc`."""
    return shown([key]).replace("Ctrl+", "^")


def table() -> str:
    """The key map as a Markdown table, as docs/terminal.md has it."""
    lines = ["| where | key | what it does | name in `keys.toml` |", "|---|---|---|---|"]
    for scope, heading in SCOPES.items():
        for key in KEYS:
            if key.scope == scope:
                name = f"`{key.name}`" if key.bound and key.keys else ""
                lines.append(f"| {heading} | {shown(key.keys) or 'via Ctrl+P'} | {key.help} | {name} |")
    return "\n".join(lines)
