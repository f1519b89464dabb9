"""Reads a file into a typed configuration; whatever is wrong with it is named in one sentence.

People write TOML; what a program writes for another, as `attune-train retrain` does, may be JSON and is named `.json`.
"""

from __future__ import annotations

import json
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
        text = path.read_text(encoding="utf-8")
        return kind.model_validate(json.loads(text) if path.suffix == ".json" else tomllib.loads(text))
    except OSError as cause:
        raise error(f"{path} cannot be read ({cause.strerror}); give the path of {owner} file") from cause
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as cause:
        raise error(f"{path} is no {'JSON' if path.suffix == '.json' else 'TOML'}: {cause}") from cause
    except ValidationError as cause:
        raise error(f"{path} is no {owner.split(' ', 1)[1]} configuration: {complaints(cause)}") from cause


def complaints(error: ValidationError) -> str:
    """Return what is wrong with each key, without the values."""
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
