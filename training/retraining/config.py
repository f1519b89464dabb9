"""What a retraining is made from: configs/retrain.toml, typed; unknown keys are refused, nothing heavy is imported."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from training.errors import ConfigError
from training.read_config import read_config


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RolloutConfig(_Table):
    """Where the new policy answers, and for whom."""

    servers: tuple[str, ...] = Field(min_length=1)
    """Every vLLM server of the policies, each up to and with `/v1`; adapters are loaded there while they run."""
    api_key_env: str | None = None
    """The environment variable with the servers' key."""
    prefix: str = Field(default="p", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")
    """Versions are this, a dash and the beginning of the hash of the weights."""
    canary_percent: float | None = Field(default=5.0, gt=0, le=100)
    """Of the conversations; None: the policy is registered with its reports and waits for an operator."""
    activate: bool = False
    """Whether a canary whose gates are open answers everybody, without an operator."""


class AssumedConfig(_Table):
    """What the estimate of `--dry-run` assumes until a run has measured it."""

    seconds_per_step: float = Field(default=180.0, gt=0)
    """Of one training step, judging included."""


class RetrainConfig(_Table):
    """The whole road; the files are those that the single commands take."""

    work: Path
    """Journal, data sets, training runs and reports; private, it holds what people said."""
    attune: Path | None = None
    """The configuration of the backend; None: its defaults and environment."""
    data: Path
    """As configs/dataset.toml; its `out` and `work` are not used."""
    judge: Path
    """As configs/judge.toml; it writes the criteria too, where it names who does."""
    train: Path
    """As configs/grpo.yaml; its `attune.data`, `judge` and `out` are not used."""
    evaluate: Path
    """As configs/evaluate.toml; of its policies only the baseline is measured, or what is live in its place."""
    rollout: RolloutConfig
    assumed: AssumedConfig = AssumedConfig()


def load_retrain_config(path: Path) -> RetrainConfig:
    """Read a file such as configs/retrain.toml.

    Raises:
        ConfigError: it is missing, no TOML, or holds a key or value that is not known; it is named.
    """
    return read_config(path, RetrainConfig, ConfigError, "a retraining's")
