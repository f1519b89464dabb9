"""Where a person in distress can turn, by country, from the bundled directory `resources.toml`.

Every number shown comes from that file, which names the pages it was checked on. A country without an entry gets words
and the address of an international directory, never a number.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from assistant import wire
from memory.template import load

_PACKAGE = "assistant.safety"
_FALLBACK = "en"


@dataclass(frozen=True, slots=True)
class Directory:
    """The bundled directory, by upper-case country code."""

    url: str
    """The international directory named where nothing else is known."""
    lines: Mapping[str, tuple[wire.Resource, ...]]
    emergency: Mapping[str, wire.Resource]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the directory that is due for another look."""

    country: str
    name: str
    checked: str


@cache
def directory() -> Directory:
    """Read the directory, once."""
    data = tomllib.loads(load(_PACKAGE, "resources.toml"))
    lines: dict[str, tuple[wire.Resource, ...]] = {}
    for row in data["line"]:
        lines[row["country"]] = (*lines.get(row["country"], ()), _line(row))
    return Directory(data["directory"], lines, {row["country"]: _emergency(row) for row in data["emergency"]})


def card(country: str | None, language: str | None = None) -> wire.ResourceCard:
    """Return where to turn in `country` (ISO 3166-1 alpha-2, any case), worded in `language`.

    An unknown or missing country, or one without a verified line, is answered in words and with the directory's
    address; a sourced emergency number is given where there is one.
    """
    known = directory()
    code = (country or "").strip().upper()
    lines, emergency = known.lines.get(code, ()), known.emergency.get(code)
    if lines:
        kind = "lines"
    elif emergency:
        kind = "emergency_only"
    elif code:
        kind = "unknown_country"
    else:
        kind = "no_country"
    return wire.ResourceCard(
        country=code or None,
        message=_words(language)[kind].replace("{directory}", known.url),
        emergency=emergency,
        lines=list(lines),
    )


def card_text(card: wire.ResourceCard, language: str | None = None) -> str:
    """Return `card` as plain text, for surfaces that cannot show a card of its own."""
    words = _words(language)
    rows = [card.message]
    rows += [_row(line, words) for line in card.lines]
    if card.emergency is not None:
        rows.append(_row(card.emergency, words, name=words["emergency"]))
    return "\n".join(rows)


def entries_older_than(days: int, *, now: datetime | None = None) -> list[Entry]:
    """Return the entries last checked more than `days` days ago, oldest first."""
    today = (now or datetime.now(UTC)).date()
    known = directory()
    entries = [
        Entry(country, resource.name, resource.checked or "")
        for country, resources in [*known.lines.items(), *((c, (e,)) for c, e in known.emergency.items())]
        for resource in resources
    ]
    due = [e for e in entries if not e.checked or (today - datetime.fromisoformat(e.checked).date()).days > days]
    return sorted(due, key=lambda entry: entry.checked)


def _line(row: Mapping[str, Any]) -> wire.Resource:
    return wire.Resource(
        name=row["name"],
        call=row.get("call"),
        text=row.get("text"),
        chat=row.get("chat"),
        hours=row.get("hours"),
        languages=list(row.get("languages", ())),
        checked=row["checked"],
    )


def _emergency(row: Mapping[str, Any]) -> wire.Resource:
    names = [row.get("service", ""), *(f"also {other}" for other in row.get("also", ()))]
    return wire.Resource(
        name="; ".join(name for name in names if name) or "emergency", call=row["number"], checked=row["checked"]
    )


@cache
def _words(language: str | None) -> Mapping[str, str]:
    texts = tomllib.loads(load(_PACKAGE, "replies.toml"))
    chosen: Mapping[str, str] = texts.get(language or _FALLBACK, texts[_FALLBACK])["card"]
    return chosen


def _row(resource: wire.Resource, words: Mapping[str, str], name: str | None = None) -> str:
    ways = [
        f"{words[way]} {value}"
        for way, value in (("call", resource.call), ("text", resource.text), ("chat", resource.chat))
        if value
    ]
    hours = f" ({resource.hours})" if resource.hours else ""
    return f"- {name or resource.name}: {', '.join(ways)}{hours}"
