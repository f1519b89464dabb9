"""The one key map: bindings, footer, command palette, help and the table in docs/terminal.md are generated from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

Scope = Literal["chat", "prompt", "conversations", "memories", "anywhere"]

SCOPES: dict[Scope, str] = {
    "prompt": "Writing",
    "chat": "Chat",
    "conversations": "Conversations",
    "memories": "Memories",
    "anywhere": "Everywhere",
}
"""The scopes in the order of the help, with their headings."""


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that can be done, and the keys that do it."""

    action: str
    """The Textual action, looked up on whatever owns the scope."""
    scope: Scope
    keys: tuple[str, ...]
    """The first is the one that is shown."""
    label: str
    """A word or two, for the footer and the palette."""
    help: str
    """A sentence."""
    footer: bool = False
    command: str = ""
    """Its name in the palette; empty where it is not offered there."""
    bound: bool = True
    """False where a widget handles the key itself and it is only explained here."""


KEYS: tuple[Key, ...] = (
    Key("send", "prompt", ("enter",), "Send", "Send what you wrote.", bound=False),
    Key("newline", "prompt", ("ctrl+j", "alt+enter"), "New line", "Begin a new line.", bound=False),
    Key(
        "swap_enter",
        "prompt",
        (),
        "Swap Enter and Ctrl+J",
        "Let Enter begin a new line and Ctrl+J send.",
        command="Swap Enter and Ctrl+J",
    ),
    Key(
        "recall_draft",
        "prompt",
        ("up",),
        "Last message",
        "In an empty prompt: bring back what you sent last.",
        bound=False,
    ),
    Key("screen.look_back", "prompt", ("pageup", "ctrl+up"), "Scroll up", "Look back in the conversation."),
    Key("screen.look_ahead", "prompt", ("pagedown", "ctrl+down"), "Scroll down", "Go towards the newest message."),
    Key("stop", "chat", ("escape",), "Stop", "Stop the reply; what was said so far is kept.", footer=True),
    Key("new", "chat", ("ctrl+n",), "New", "Begin a new conversation.", footer=True, command="New conversation"),
    Key(
        "conversations",
        "chat",
        ("ctrl+o",),
        "Open",
        "List your conversations and go on with one.",
        footer=True,
        command="Open a conversation",
    ),
    Key(
        "memories",
        "chat",
        ("f3", "ctrl+r"),
        "Memories",
        "See what Attune remembers about you, and make it forget.",
        footer=True,
        command="Memories",
    ),
    Key(
        "resources",
        "chat",
        ("f9",),
        "Crisis lines",
        "Where to turn in a crisis; always within reach.",
        footer=True,
        command="Crisis lines",
    ),
    Key("pick", "conversations", ("enter",), "Open", "Go on with the marked conversation.", bound=False),
    Key(
        "forget",
        "memories",
        ("f8",),
        "Forget",
        "Forget the marked memory, after asking.",
        footer=True,
        command="Forget the marked memory",
    ),
    Key(
        "reload",
        "memories",
        ("f5",),
        "Reload",
        "Ask for the memories again.",
        footer=True,
        command="Reload the memories",
    ),
    Key("back", "memories", ("escape",), "Back", "Return to the conversation.", footer=True),
    Key("help", "anywhere", ("f1", "ctrl+g"), "Help", "Show this help.", footer=True, command="Help"),
    Key(
        "toggle_theme",
        "anywhere",
        ("f4",),
        "Light or dark",
        "Switch between the light and the dark theme.",
        command="Light or dark theme",
    ),
    Key("command_palette", "anywhere", ("ctrl+p",), "Commands", "Find any command by name.", bound=False),
    Key("quit", "anywhere", ("ctrl+q",), "Quit", "Leave; Attune first finishes what you told it.", command="Quit"),
)

_NAMES = {"escape": "Esc", "pageup": "PgUp", "pagedown": "PgDn", "enter": "Enter", "up": "↑", "down": "↓"}


def in_scope(scope: Scope) -> list[Key]:
    """The keys of one scope, in the order of the map."""
    return [key for key in KEYS if key.scope == scope]


def bindings(scope: Scope) -> list[BindingType]:
    """The Textual bindings of one scope; quitting works above everything that is open."""
    return [
        Binding(
            ",".join(key.keys), key.action, key.label, show=key.footer, tooltip=key.help, priority=key.action == "quit"
        )
        for key in in_scope(scope)
        if key.bound and key.keys
    ]


def shown(keys: Iterable[str]) -> str:
    """Keys as a person reads them: `Ctrl+J, Alt+Enter`."""
    return ", ".join("+".join(_NAMES.get(part, part.capitalize()) for part in key.split("+")) for key in keys)


def short(key: str) -> str:
    """A key as the footer has room for: `F3`, `^N`, `Esc`."""
    return shown([key]).replace("Ctrl+", "^")


def first_key(action: str) -> str:
    """The key to name when telling somebody how to do something."""
    return next(shown(key.keys[:1]) for key in KEYS if key.action == action and key.keys)


def table() -> str:
    """The key map as a Markdown table, as docs/terminal.md has it."""
    lines = ["| where | key | what it does |", "|---|---|---|"]
    for scope, heading in SCOPES.items():
        lines += [f"| {heading} | {shown(key.keys) or 'via Ctrl+P'} | {key.help} |" for key in in_scope(scope)]
    return "\n".join(lines)
