"""The settings of a person in words, for the page and the plain mode. Pure.

Names, explanations, and how a typed value is read; what is allowed is decided by the backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tui.errors import TerminalError

if TYPE_CHECKING:
    from assistant import wire


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing a person allows or prefers."""

    name: str
    """As in the wire format."""
    label: str
    about: str
    kind: Literal["switch", "answer", "text", "days"]
    """`switch`: on or off. `answer`: yes, no, or not said. `text`, `days`: typed; empty takes it back."""


SETTINGS = (
    Setting("memory", "Memory", "Learn from what you say, and use it in replies.", "switch"),
    Setting("persona", "Persona", "Estimate how you are, to word replies accordingly.", "switch"),
    Setting(
        "training", "Training", "Let your conversations and ratings train a model. Off until you say so.", "switch"
    ),
    Setting("country", "Country", "Chooses the crisis lines (F9). Two letters, such as AT.", "text"),
    Setting("locale", "Language", "Such as de-AT; without it, the language you write in.", "text"),
    Setting("retention_days", "Keep for", "Days after which conversations are deleted; empty keeps them.", "days"),
    Setting("adult", "I am 18 or older", "Your word; nothing is checked.", "answer"),
)
"""In the order in which they are shown."""

_YES, _NO = frozenset(("on", "yes", "true", "y", "1")), frozenset(("off", "no", "false", "n", "0"))


def setting(name: str) -> Setting:
    """The setting of this name.

    Raises:
        TerminalError: there is none; the message names those there are.
    """
    found = next((one for one in SETTINGS if one.name == name), None)
    if found is None:
        raise TerminalError(f"there is no setting {name!r}; there are {', '.join(one.name for one in SETTINGS)}")
    return found


def value_of(view: wire.SettingsView, one: Setting) -> str:
    """How a setting stands, in words."""
    value = getattr(view, one.name)
    if value is None:
        return "for good" if one.name == "retention_days" else "not said"
    if isinstance(value, bool):
        return ("yes" if value else "no") if one.kind == "answer" else ("on" if value else "off")
    return f"{value} days" if one.kind == "days" else str(value)


def read(one: Setting, typed: str) -> Any:
    """What a person typed, as the backend takes it; None takes it back.

    Raises:
        TerminalError: it cannot be read.
    """
    text = typed.strip()
    if not text or text == "-":
        if one.kind == "switch":
            raise TerminalError(f"{one.name} is on or off")
        return None
    if one.kind in ("switch", "answer"):
        if text.lower() not in _YES | _NO:
            raise TerminalError(
                f"{one.name} is {'on or off' if one.kind == 'switch' else 'yes, no or -'}, not {text!r}"
            )
        return text.lower() in _YES
    if one.kind == "days":
        if not text.isdigit():
            raise TerminalError(f"{one.name} is a number of days, not {text!r}")
        return int(text)
    return text


def answers(health: wire.Health, *, url_is_here: bool) -> list[str]:
    """Which model answers and whether what is written leaves this machine, a sentence each."""
    told = health.policy or "The backend does not say what answers."
    where = (
        "The backend runs on this machine."
        if url_is_here
        else "The backend runs on another machine: what you write is sent there."
    )
    wrong = [f"{name}: {check}" for name, check in health.checks.items() if check not in ("ok", "starting")]
    return [told, where, *wrong]


def country_here(environ: Mapping[str, str]) -> str:
    """The country that this machine's locale names, as a suggestion; empty where it names none."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        _, _, country = environ.get(name, "").split(".")[0].partition("_")
        if len(country) == 2 and country.isalpha():
            return country.upper()
    return ""
