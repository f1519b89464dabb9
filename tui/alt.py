"""Keys pressed with Alt, in the many terminals that send them as Escape and the key.

Textual takes Escape and Enter for Enter, and lets Escape and a letter be the key with Alt and yet type the letter into
whatever is written in. Does not change what terminals with the newer key protocols send.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, cast

from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS


class _Sent(Enum):
    ALT_ENTER = "alt+enter"


def tell_alt_enter() -> None:
    """Let Textual tell Alt+Enter from Enter."""
    cast("dict[str, Any]", ANSI_SEQUENCES_KEYS)["\x1b\r"] = (_Sent.ALT_ENTER,)


def without_letter(event: events.Event) -> None:
    """Take the letter from a key pressed with Alt: it is a command, and types nothing."""
    if isinstance(event, events.Key) and event.key.startswith("alt+"):
        event.character = None
