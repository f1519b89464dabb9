"""Reads a TOML file into a typed configuration; whatever is wrong with it is named in one sentence."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from training.errors import TrainingError

Config = TypeVar("Config", bound=BaseModel)


def read_config(path: Path, kind: type[Config], error: type[TrainingError], owner: str) -> Config:
    """Return the configuration in `path`; `owner` says whose file it is: `a judge's`.

    Raises:
        TrainingError: of type `error`: it is missing, no TOML, or holds a key or value that is not known.
    """
    try:
        return kind.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as cause:
        raise error(f"{path} cannot be read ({cause.strerror}); give the path of {owner} file") from cause
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise error(f"{path} is no TOML: {cause}") from cause
    except ValidationError as cause:
        raise error(f"{path} is no {owner.split(' ', 1)[1]} configuration: {complaints(cause)}") from cause


def complaints(error: ValidationError) -> str:
    """Return what is wrong with each key, without the values."""
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
