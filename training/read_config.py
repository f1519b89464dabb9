"""Reads a file into a typed configuration; whatever is wrong with it is named in one sentence.

People write TOML; what a program writes for another, as `attune-train retrain` does, may be JSON and is named `.json`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from training.errors import TrainingError

Config = TypeVar("Config", bound=BaseModel)


def read_config(path: Path, kind: type[Config], error: type[TrainingError], owner: str) -> Config:
    """Return the configuration in `path`; `owner` says whose file it is: `a judge's`.

    Raises:
        TrainingError: of type `error`: it is missing, no TOML, or holds a key or value that is not known.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return kind.model_validate(json.loads(text) if path.suffix == ".json" else tomllib.loads(text))
    except OSError as cause:
        raise error(f"{path} cannot be read ({cause.strerror}); give the path of {owner} file") from cause
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as cause:
        raise error(f"{path} is no {'JSON' if path.suffix == '.json' else 'TOML'}: {cause}") from cause
    except ValidationError as cause:
        raise error(f"{path} is no {owner.split(' ', 1)[1]} configuration: {complaints(cause, kind)}") from cause


def complaints(error: ValidationError, kind: type[BaseModel]) -> str:
    """Return what is wrong with each key, without the values; of an unknown one, which was meant."""
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {_complaint(one, kind)}" for one in error.errors())


def _complaint(one: ErrorDetails, kind: type[BaseModel]) -> str:
    if one["type"] != "extra_forbidden":
        return one["msg"]
    *parents, name = map(str, one["loc"])
    known = list(_fields(kind, parents))
    close = get_close_matches(name, known, n=1)
    meant = f"{close[0]} was meant?" if close else f"known are {', '.join(known)}" if known else "remove it"
    return f"no such key; {meant}"


def _fields(kind: type[BaseModel], parents: Sequence[str]) -> Iterable[str]:
    """Return the keys of the table at this place, nothing where it is no plain table."""
    for parent in parents:
        field = kind.model_fields.get(parent)
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return ()
        kind = field.annotation
    return kind.model_fields
