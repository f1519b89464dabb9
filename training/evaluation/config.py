"""What is evaluated: configs/evaluate.toml, typed; unknown keys are refused, and nothing heavy is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.endpoint import Endpoint
from training.errors import ConfigError
from training.example import Split
from training.peregrm.config import JudgeConfig, PoolConfig
from training.read_config import read_config

NOBODY = "nobody"
"""As `training_writer`: no policy was trained under written rulers."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PolicyConfig(_Table):
    """One policy: a model, and what it is told of the person."""

    endpoint: Endpoint
    preset: Literal["paper", "full"] = "paper"
    memories: Literal["full", "none", "mismatched"] = "full"
    """`mismatched`: those of another person of the split."""
    way: Literal["direct", "summary", "rag"] = "direct"
    """`summary`: memories are summed up by the same model first; `rag`: the three nearest memories only."""
    context_tokens: int = Field(default=8192, ge=512)
    sha256: str = ""
    """Hash of the policy's files; with it, a report is written that `attune-train promote` reads."""


class JudgeEntry(_Table):
    """One judge and its rulers."""

    judge: JudgeConfig
    criteria_file: Path | None = None
    """Fixed criteria that people wrote, the same for every query, instead of written ones."""


class EvaluateConfig(_Table):
    """One evaluation."""

    dataset: Path
    splits: tuple[Split, ...] = ("test", "ood")
    out: Path = Path("evaluation")
    baseline: str
    """The policy that the others are compared with."""
    baseline_version: str = "configured"
    """What `attune policies list` calls it, for the gate."""
    seed: int = 0
    limit: int | None = Field(default=None, ge=1)
    """At most so many questions of each split."""
    training_writer: str = ""
    """Who wrote the rulers of training, where the rows do not tell; `nobody` where none were written."""
    criteria: PoolConfig | None = None
    policies: dict[str, PolicyConfig] = Field(min_length=1)
    judges: dict[str, JudgeEntry] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.baseline not in self.policies:
            raise ValueError(f"baseline {self.baseline!r} is none of the policies")
        for name, entry in self.judges.items():
            if entry.judge.mode == "paper" or entry.judge.preset != "peregrm":
                raise ValueError(f"judge {name}: evaluation needs mode shared and preset peregrm")
            if entry.criteria_file is None and self.criteria is None:
                raise ValueError(f"judge {name} has no criteria: set [criteria.endpoint] or its criteria_file")
        return self


def load_evaluate_config(path: Path) -> EvaluateConfig:
    """Read a file such as configs/evaluate.toml.

    Raises:
        ConfigError: it is missing, no TOML, or holds a key or value that is not known; it is named.
    """
    return read_config(path, EvaluateConfig, ConfigError, "an evaluation's")
