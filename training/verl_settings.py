"""verl's settings as it takes them on its command line, each key held against the configuration that verl ships.

A misspelt key would otherwise be found by verl after minutes, or, written with a `+`, never. Nothing of verl is
imported: its own flattened configuration lies as YAML beside its code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from training.errors import ConfigError

LEGACY: Mapping[str, str] = {
    "custom_reward_function": "reward.custom_reward_function",
    "reward_model": "reward.reward_manager and reward.reward_model",
    "sandbox_fusion": "reward.sandbox_fusion",
}
"""Roots that verl 0.9 still parses and no longer heeds, and where their settings went."""

_BARE = re.compile(r"(?!(?:true|false|null)$)[A-Za-z_/][\w./-]*", re.IGNORECASE)
"""Text that needs no quotes in Hydra's grammar."""

_OPEN = frozenset({"override_config", "apply_chat_template_kwargs", "ray_init", "engine_kwargs", "fsdp_config"})
"""Mappings that take keys which verl's own file does not list."""


def reference(environment: Path) -> dict[str, Any]:
    """Return verl's configuration with all defaults, from the training environment.

    Raises:
        ConfigError: verl is not installed there.
    """
    found = sorted(environment.glob("lib/python3*/site-packages/verl/trainer/config/_generated_ppo_trainer.yaml"))
    if not found:
        raise ConfigError(f"no verl in {environment}: run `make setup-train`, or name its environment in the config")
    loaded: dict[str, Any] = yaml.safe_load(found[-1].read_text(encoding="utf-8"))
    return loaded


def sft_reference(environment: Path) -> dict[str, Any]:
    """Return the configuration of verl's supervised trainer with all defaults: its file, and those that it names.

    Raises:
        ConfigError: verl is not installed there.
    """
    found = sorted(environment.glob("lib/python3*/site-packages/verl/trainer/config/sft_trainer_engine.yaml"))
    if not found:
        raise ConfigError(f"no verl in {environment}: run `make setup-train`, or name its environment in the config")
    loaded: dict[str, Any] = yaml.safe_load(found[-1].read_text(encoding="utf-8"))
    for entry in loaded.pop("defaults"):
        for place, name in entry.items() if isinstance(entry, dict) else ():
            folder, _, key = place.partition("@")
            part = found[-1].parent / folder / f"{name}.yaml"
            loaded[key] = yaml.safe_load(part.read_text(encoding="utf-8"))
    return loaded


def problems(settings: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each key that verl does not know, or no longer heeds."""
    found = [f"verl.{root}: verl 0.9 ignores it; write it under {LEGACY[root]}" for root in settings if root in LEGACY]
    current = {name: value for name, value in settings.items() if name not in LEGACY}
    return found + [
        f"verl.{'.'.join(path)}: verl knows no such key{_meant(path[-1], near)}"
        for path, near in _unknown(current, known)
    ]


def overrides(settings: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    """Return `settings` as Hydra overrides; a key that only an open mapping takes is added with `+`."""
    return [
        f"{'' if _stands(path, known) else '+'}{'.'.join(path)}={_written(value)}" for path, value in _leaves(settings)
    ]


def _leaves(settings: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _unknown(
    settings: Mapping[str, Any], known: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Sequence[str]]]:
    for name, value in settings.items():
        if name not in known:
            if not path or (path[-1] not in _OPEN and known):
                yield (*path, name), list(known)
        elif isinstance(value, Mapping) and isinstance(known[name], Mapping):
            yield from _unknown(value, known[name], (*path, name))


def _meant(name: str, near: Sequence[str]) -> str:
    close = get_close_matches(name, near, n=1)
    return f"; {close[0]} was meant?" if close else ""


def _stands(path: Sequence[str], known: Mapping[str, Any]) -> bool:
    node: Any = known
    for name in path:
        if not isinstance(node, Mapping) or name not in node:
            return False
        node = node[name]
    return True


def _written(value: Any) -> str:
    if isinstance(value, str):
        if _BARE.fullmatch(value):
            return value
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value) if not isinstance(value, Mapping) else "{}"
