"""The rubric: what is measured, on which scale, and how presets make a reward of it; read from rubric.toml.

It is data. Its text reaches the judge and its hash reaches every verdict; no score is computed here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from memory.template import load

Combine = Literal["harmonic", "sum"]
Seen = Literal["persona", "situation", "memories"]


@dataclass(frozen=True, slots=True)
class Scale:
    """The numbers a judge may give."""

    low: int
    high: int

    def holds(self, score: float) -> bool:
        """Whether `score` lies on the scale."""
        return self.low <= score <= self.high


@dataclass(frozen=True, slots=True)
class Measure:
    """One dimension of a reply."""

    name: str
    scale: Scale
    asks: str
    """What is looked at."""
    low: str
    """What the lowest score stands for."""
    middle: str
    high: str


@dataclass(frozen=True, slots=True)
class Preset:
    """One reward."""

    name: str
    dimensions: tuple[str, ...]
    sees: tuple[Seen, ...]
    """What the judge is shown of the person besides the query."""
    criteria: bool
    """Whether rulers are written for each query; else the dimension alone is the ruler."""
    combine: Combine
    bystander: bool
    """Whether a bystander who sees query and reply alone can lower the reward."""


@dataclass(frozen=True, slots=True)
class Rubric:
    """Everything rubric.toml says."""

    measures: Mapping[str, Measure]
    bystander: Mapping[str, str]
    """Its five scores, and what each looks at."""
    bystander_scale: Scale
    presets: Mapping[str, Preset]


@cache
def load_rubric() -> Rubric:
    """Read the rubric that is shipped."""
    data = tomllib.loads(load("training.peregrm", "rubric.toml"))
    bystander = dict(data["bystander"])
    scale = Scale(*bystander.pop("scale"))
    return Rubric(
        measures={name: _measure(name, one) for name, one in data["dimension"].items()},
        bystander=bystander,
        bystander_scale=scale,
        presets={name: _preset(name, one) for name, one in data["preset"].items()},
    )


def _measure(name: str, one: Mapping[str, Any]) -> Measure:
    asks, low, middle, high = (" ".join(one[key].split()) for key in ("asks", "low", "middle", "high"))
    return Measure(name, Scale(*one["scale"]), asks, low, middle, high)


def _preset(name: str, one: Mapping[str, Any]) -> Preset:
    lists: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in one.items()}
    return Preset(name, **lists)
