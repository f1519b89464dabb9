"""Text that is safe to put on a terminal: no control characters but newline and tab.

Replies come from a language model and memories from anywhere; an escape sequence among them must never reach the
terminal. Does not touch what Markdown makes of the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_CONTROLS = dict.fromkeys([*range(0x20), 0x7F, *range(0x80, 0xA0)])
del _CONTROLS[ord("\n")], _CONTROLS[ord("\t")]


def clean(text: str) -> str:
    """Drop control characters (C0 without newline and tab, DEL, C1) and lone surrogates."""
    return text.translate(_CONTROLS).encode("utf-8", "replace").decode("utf-8")


def clean_json(value: Any) -> Any:
    """Clean every string of a parsed JSON value, keys left as they are."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    if isinstance(value, dict):
        return {key: clean_json(item) for key, item in value.items()}
    return value


def one_line(text: str, width: int) -> str:
    """Collapse whitespace and cut to `width` characters with an ellipsis."""
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: max(width - 1, 0)].rstrip() + "…"


def variant_of(id: str, variants: Sequence[str]) -> str:
    """Which of several wordings or replies this is; nothing where it is the only one."""
    return f"{variants.index(id) + 1} of {len(variants)}" if len(variants) > 1 and id in variants else ""
