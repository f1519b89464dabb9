"""Reads the pattern files in `rules/`: TOML lists of regular expressions that may name one another as `<name>`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

_REFERENCE = re.compile(r"<([a-z_]\w*)>")


@cache
def read(name: str) -> Mapping[str, Any]:
    """Return the contents of `rules/<name>.toml`."""
    return tomllib.loads(files("memory.reflect").joinpath("rules", f"{name}.toml").read_text(encoding="utf-8"))


def any_of(patterns: Sequence[str]) -> str:
    """Return one group that matches any of the patterns; of none, one that never matches."""
    return f"(?:{'|'.join(patterns)})" if patterns else r"(?!)"


def filled(pattern: str, named: Mapping[str, str]) -> str:
    """Put the named patterns in place of `<name>`, also inside one another.

    Raises:
        KeyError: nothing is called so.
    """
    while (once := _REFERENCE.sub(lambda match: named[match[1]], pattern)) != pattern:
        pattern = once
    return pattern
