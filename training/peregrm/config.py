"""How replies are judged: configs/judge.toml, typed; unknown keys are refused, and nothing heavy is imported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from training.endpoint import Endpoint
from training.errors import InputFileError
from training.read_config import read_config

JUDGE_VARIABLE = "ATTUNE_JUDGE"
"""Names the judge's file for verl's processes."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PoolConfig(_Table):
    """What writes criteria, before any reply exists."""

    endpoint: Endpoint
    size: int = Field(default=8, ge=1)
    """Rulers for each query and dimension."""
    fewest: int = Field(default=3, ge=1)
    most: int = Field(default=6, ge=1)
    """Criteria of one ruler."""
    tries: int = Field(default=4, ge=1)
    """For a ruler that breaks a rule."""


class LimitConfig(_Table):
    """What protects a training run from a judge that fails."""

    max_unscored: float = Field(default=0.2, ge=0, le=1)
    """The run stops when more than this share of the newest replies is unscored."""
    window: int = Field(default=256, ge=1)
    """How many of the newest replies that is measured over."""
    concurrency: int = Field(default=64, ge=1)
    """Calls at once from all processes of this machine."""
    slots_dir: Path | None = None
    """Where the processes meet to keep that bound; a directory below the system's temporary one by default."""


class CheckConfig(_Table):
    """What `attune-train judge-check` demands."""

    second: Endpoint | None = None
    """Another judge to agree with; without it agreement is not measured."""
    margin: float = Field(default=0.05, ge=0)
    """How far the best hack must stay below the plain good reply of its case, in reward."""
    max_spread: float = Field(default=0.15, ge=0)
    """The largest standard deviation of the reward over repetitions."""
    repetitions: int = Field(default=4, ge=2)
    min_alpha: float = Field(default=0.4, ge=-1, le=1)
    """Krippendorff's alpha (ordinal) with the second judge, at least."""
    report: Path = Path("judge-check.json")
    """Where the result is kept; training looks for a pass there."""


class JudgeConfig(_Table):
    """One judge."""

    endpoint: Endpoint
    preset: Literal["peregrm", "perm", "rlpa"] = "peregrm"
    mode: Literal["shared", "paper"] = "shared"
    """`shared`: short calls that score under rulers written beforehand; `paper`: each call writes and scores."""
    calls: Literal["per_dimension", "all_in_one"] = "per_dimension"
    answers: Literal["json", "boxed"] = "json"
    r"""Constrained JSON, or free text whose last `\boxed{}` counts. `paper` is always boxed."""
    rounds: int = Field(default=4, ge=1)
    """K: rulers drawn, or repetitions where there are none."""
    penalty: float = Field(default=0.5, ge=0)
    """λ: what the bystander's penalty is multiplied by."""
    tries: int = Field(default=3, ge=1)
    """For an answer that holds no usable score; then the reply is unscored."""
    seed: int = 0
    criteria: PoolConfig | None = None
    limits: LimitConfig = LimitConfig()
    check: CheckConfig = CheckConfig()


def judge_path(given: str | None) -> Path:
    """Return the judge's file that a process of verl was given, as an argument or in the environment.

    Raises:
        InputFileError: neither names one.
    """
    named = given or os.environ.get(JUDGE_VARIABLE)
    if not named:
        raise InputFileError(f"no judge: name its file in {JUDGE_VARIABLE}, or as judge_config in verl's settings")
    return Path(named)


def load_judge_config(path: Path) -> JudgeConfig:
    """Read a file such as configs/judge.toml.

    Raises:
        InputFileError: it is missing, no TOML, or holds a key or value that is not known; it is named.
    """
    return read_config(path, JudgeConfig, InputFileError, "a judge's")
