"""Reads what describes a policy: a file for `register`, a directory as training leaves it, and reports.

A directory that training wrote holds `attune_policy.json` beside the weights: the fields of `PolicySpec` that training
knows (base, kind, preset, prompt_hash, lineage). Where and under which version it is served is said when it is.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from assistant.errors import ConfigError
from assistant.rollout.spec import DESCRIPTION, PolicySpec, fingerprint

Report = TypeVar("Report", bound=BaseModel)
_ADAPTER = "adapter_config.json"


def read_spec(source: Path) -> PolicySpec:
    """Read a .json or .toml file, or the description in a directory.

    Raises:
        ConfigError: there is none, or a field is missing, unknown or wrong.
    """
    values = _read(source / DESCRIPTION if source.is_dir() else source)
    if source.is_dir():
        values.setdefault("path", str(source.resolve()))
    return _checked(PolicySpec, values, source)


def read_report(path: Path, kind: type[Report]) -> Report:
    """Read a report.

    Raises:
        ConfigError: the file is missing or not of this form.
    """
    return _checked(kind, _read(path), path)


def spec_of_directory(directory: Path, *, version: str, replica: str) -> PolicySpec:
    """Describe the weights or the adapter in a directory, to be served at `replica`.

    Raises:
        ConfigError: the directory or its description is missing or wrong.
    """
    if not directory.is_dir():
        raise ConfigError(f"{directory} is neither a registered version nor a directory: see attune policies list")
    values = _read(directory / DESCRIPTION)
    known: dict[str, Any] = {"path": str(directory.resolve()), "kind": "full", "base": str(directory.resolve())}
    if (directory / _ADAPTER).is_file():
        known |= {"kind": "lora", "base": _read(directory / _ADAPTER).get("base_model_name_or_path", "")}
    values = {**known, **values, "replicas": [replica]}
    values["sha256"] = fingerprint(directory)
    values["version"] = version or values.get("version") or f"p-{values['sha256'][:10]}"
    return _checked(PolicySpec, values, directory)


def adapter_rank(directory: Path) -> int:
    """The rank of the LoRA in a directory.

    Raises:
        ConfigError: there is none.
    """
    rank = _read(directory / _ADAPTER).get("r")
    if not isinstance(rank, int):
        raise ConfigError(f"{directory / _ADAPTER} names no rank r")
    return rank


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no object with fields")
    return values


def _checked(kind: type[Report], values: dict[str, Any], source: Path) -> Report:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise ConfigError(f"{source}: {problems}") from error
