"""The protocol as it is published: the words of `levels.toml` with what is read from the parts that act on them.

The guidance is the very text that a model gets, and the directory's dates are those of its entries, so that neither can
be told otherwise than it is.
"""

from __future__ import annotations

import hashlib
import tomllib
from datetime import date
from functools import cache

from assistant import wire
from assistant.safety.protocol import languages
from assistant.safety.resources import directory
from memory.template import fill, load

_PACKAGE = "assistant.safety"
_VERSION_CHARS = 12


@cache
def published() -> wire.SafetyProtocol:
    """Return the protocol, made once."""
    said, guidance = load(_PACKAGE, "levels.toml"), load(_PACKAGE, "protocol.md")
    return wire.SafetyProtocol.model_validate(
        {
            **tomllib.loads(said),
            "version": _version(said, guidance, load(_PACKAGE, "replies.toml")),
            "guidance": fill(guidance, level="high or imminent", categories="what was found", question="").strip(),
            "languages": languages(),
            "directory": _directory(),
        }
    )


def _directory() -> wire.ProtocolDirectory:
    known = directory()
    entries = [*known.emergency.values(), *(line for lines in known.lines.values() for line in lines)]
    checked = sorted(date.fromisoformat(entry.checked) for entry in entries if entry.checked)
    return wire.ProtocolDirectory(
        version=_version(load(_PACKAGE, "resources.toml")),
        checked=checked[-1],
        oldest_check=checked[0],
        countries=sorted({*known.lines, *known.emergency}),
        elsewhere=known.url,
    )


def _version(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:_VERSION_CHARS]
