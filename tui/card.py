"""A resource card as plain parts, for the panel in the conversation, the F9 window and the plain mode. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assistant import wire


@dataclass(frozen=True, slots=True)
class Entry:
    """One line or emergency number."""

    name: str
    ways: tuple[str, ...]
    """How to reach it, a line each: `call 988 · text 988`, `chat https://…`."""
    about: str
    """Hours and languages; empty where nothing is known."""


def entries(card: wire.ResourceCard) -> list[Entry]:
    """The emergency number first, then the lines, in the card's order."""
    resources = ([card.emergency] if card.emergency else []) + card.lines
    return [Entry(r.name, _ways(r), _about(r)) for r in resources]


def plain_lines(card: wire.ResourceCard) -> list[str]:
    """The card as lines of text."""
    lines = [card.message]
    for entry in entries(card):
        about = f" ({entry.about})" if entry.about else ""
        lines.append(f"  {entry.name}: {' · '.join(entry.ways)}{about}")
    return lines


def _ways(resource: wire.Resource) -> tuple[str, ...]:
    spoken = " · ".join(f"{how} {where}" for how, where in (("call", resource.call), ("text", resource.text)) if where)
    typed = f"chat {resource.chat}" if resource.chat else ""
    return tuple(way for way in (spoken, typed) if way) or ("no contact is known",)


def _about(resource: wire.Resource) -> str:
    return ", ".join(part for part in (resource.hours, "/".join(resource.languages)) if part)
