"""People's words, memories, criteria and replies as data inside a prompt, unable to close what holds them.

Each is one JSON value on one line after its label. Line breaks and quotation marks are escaped by JSON; `<` and the
brackets of control words are escaped as well, so that no reply can write `<|im_start|>` or `[INST]` and be read by a
chat template as the start of a turn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_ENDS = re.compile(r"[\u0085\u2028\u2029]")
_CONTROL_WORD = re.compile(r"\[(?=/?[A-Z_]+\])")


def data(value: str | Sequence[str]) -> str:
    """Return `value` as JSON on one line."""
    content = value if isinstance(value, str) else list(value)
    text = json.dumps(content, ensure_ascii=False).replace("<", "\\u003c")
    text = _ENDS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return _CONTROL_WORD.sub(lambda _: "\\u005b", text)


def line(label: str, value: str | Sequence[str]) -> str:
    """Return `label: value`."""
    return f"{label}: {data(value)}"
