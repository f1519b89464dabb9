"""Values into a prompt file, in one pass.

What people said stays data: a value that looks like a placeholder is not filled again, and a missing or unknown name
is an error, never an empty string.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


@cache
def load(package: str, name: str) -> str:
    """Read the prompt file `name` that lies beside the modules of `package`."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def fill(template: str, **values: str) -> str:
    """Replace each `{{name}}` by its value.

    Raises:
        KeyError: a placeholder has no value, or a value no placeholder.
    """
    wanted = set(_PLACEHOLDER.findall(template))
    if wanted != set(values):
        raise KeyError(f"placeholders {sorted(wanted)} do not match values {sorted(values)}")
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)
