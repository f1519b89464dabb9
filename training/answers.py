"""JSON out of what a model wrote, checked against its schema; strict about what is said, lenient about its wrapping.

Taken is the whole text, or the one code fence, or the one JSON object that stands in it. Two objects are refused rather
than one being chosen, for a model that quotes somebody's JSON must not be answered for by the quotation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jsonschema

_FENCE = re.compile(r"```[a-zA-Z]*[ \t]*\n(.*?)\n?```", re.DOTALL)


class NotJsonError(ValueError):
    """The text holds no JSON value that could be the answer; the message says why and quotes nothing."""


class NotOfSchemaError(ValueError):
    """The JSON value does not match its schema; the message names the place and quotes no value."""


def read_answer(text: str, schema: Mapping[str, Any]) -> Any:
    """Return the value that `text` holds, valid under `schema`.

    Raises:
        NotJsonError, NotOfSchemaError: see the classes.
    """
    value = _value(text)
    errors = _validator(json.dumps(schema, sort_keys=True)).iter_errors(value)
    worst = jsonschema.exceptions.best_match(errors)
    if worst is not None:
        place = "/".join(str(part) for part in worst.absolute_path) or "the answer"
        raise NotOfSchemaError(f"{place} breaks the rule {worst.validator!r} of its schema")
    return value


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    return jsonschema.Draft202012Validator(json.loads(schema))


def _value(text: str) -> Any:
    stripped = text.strip().removeprefix("\ufeff")
    if not stripped:
        raise NotJsonError("the answer is empty")
    try:
        return _loads(stripped)
    except NotJsonError:
        fences = _FENCE.findall(stripped)
        if len(fences) == 1:
            return _loads(fences[0].strip())
    found = _objects(stripped)
    if len(found) != 1:
        raise NotJsonError(f"the answer holds {len(found) or 'no'} JSON objects where one is wanted")
    return found[0]


def _objects(text: str) -> list[Any]:
    """Return the outermost JSON objects that stand in a text, two at most."""
    found: list[Any] = []
    at = text.find("{")
    while at >= 0 and len(found) < 2:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except NotJsonError:
            raise
        except (ValueError, RecursionError):
            # What opens here does not close: an object inside it would be a part torn out of the answer.
            break
        found.append(_whole(value))
        at = text.find("{", end)
    return found


def _loads(text: str) -> Any:
    try:
        return _whole(_DECODER.decode(text))
    except NotJsonError:
        raise
    except (ValueError, RecursionError):
        raise NotJsonError("the answer is not JSON") from None


def _whole(value: Any) -> Any:
    """Refuse half characters, which no file can hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        raise NotJsonError("the answer holds half of a character") from None
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise NotJsonError("the answer gives one key twice")
    return dict(pairs)


def _constant(name: str) -> Any:
    raise NotJsonError(f"the answer holds {name}, which is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)
