"""Which model the person chose with `attune models use NAME`; kept in the data directory as `models.toml`."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

from assistant.errors import ConfigError

_FILE = "models.toml"
_NAME = re.compile(r"[\w./:@+-]{1,200}", re.ASCII)


def chosen(home: Path) -> str | None:
    """Return the chosen name, or None where nobody chose.

    Raises:
        ConfigError: the file is damaged; a choice is never guessed.
    """
    path = home / _FILE
    try:
        name = tomllib.loads(path.read_text(encoding="utf-8")).get("use")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read {path}; repair: delete it and choose again") from error
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ConfigError(f"{path} names no model; repair: delete it and choose again")
    return name


def choose(home: Path, name: str | None) -> None:
    """Remember the choice; None goes back to the automatic one.

    Raises:
        ConfigError: the name is none that a model can have.
    """
    path = home / _FILE
    if name is None:
        path.unlink(missing_ok=True)
        return
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no name of a model; `attune models` lists them")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(".new")
    fresh.write_text(f'# Written by `attune models use`.\nuse = "{name}"\n', encoding="utf-8")
    os.replace(fresh, path)
