"""What a run of verl is made from: a YAML file with our part (`attune`) and verl's (`verl`); nothing heavy is imported.

GRPO's is here; that of supervised fine-tuning, which shares the form, is in training.sft_config.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.errors import ConfigError
from training.read_config import complaints


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StopConfig(_Table):
    """When a run is ended before its time."""

    max_drift: float = Field(default=4.0, gt=0)
    """How far a style counter may move from its first `baseline` steps, in their standard deviations."""
    baseline: int = Field(default=10, ge=2)
    """Steps that say how the untrained policy writes."""
    patience: int = Field(default=5, ge=1)
    """Steps in a row after which a signal counts."""


class RunConfig(_Table):
    """Our part."""

    data: Path
    """A data set, as `attune-train data build` leaves it."""
    judge: Path
    """A judge's file; training refuses one that did not pass `attune-train judge-check`."""
    out: Path
    """Where checkpoints, metrics and plots go; a run that was cut off goes on from here."""
    device: Literal["gpu", "cpu"] = "gpu"
    environment: Path = Path(".venv-train")
    """The virtual environment of `make setup-train`."""
    accept_failed_judge: bool = False
    """Train with a judge that failed its check, or was never checked."""
    gpu_gib: float | None = Field(default=None, gt=0)
    """Memory of one GPU; None asks nvidia-smi."""
    stop: StopConfig = StopConfig()


class VerlConfig(_Table):
    """verl's part of a run, whatever is trained."""

    verl: dict[str, Any]
    """verl's settings, nested as in its own configuration."""

    def get(self, path: str, default: Any = None) -> Any:
        """Return the setting of verl at a dotted path."""
        node: Any = self.verl
        for name in path.split("."):
            if not isinstance(node, dict) or name not in node:
                return default
            node = node[name]
        return node


class GrpoConfig(VerlConfig):
    """One GRPO run."""

    attune: RunConfig

    @property
    def base_model(self) -> str:
        """The base model; a relative directory as an absolute one, because verl and servers run elsewhere."""
        return absolute(str(self.get("actor_rollout_ref.model.path")))


Config = TypeVar("Config", bound=VerlConfig)


def load_grpo_config(path: Path) -> GrpoConfig:
    """Read a file such as configs/grpo.yaml.

    Raises:
        ConfigError: it is missing, no YAML, or holds a key or value that is not known; it is named.
    """
    return load_run(path, GrpoConfig, "configs/grpo.yaml")


def absolute(model: str) -> str:
    """Return a model's name, a relative directory as an absolute one."""
    return str(Path(model).absolute()) if model.startswith(".") else model


def load_run(path: Path, kind: type[Config], like: str) -> Config:
    """Read the file of a run; `like` names one of its kind.

    Raises:
        ConfigError: it is missing, no YAML, or holds a key or value that is not known; it is named.
    """
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}; give the path of a run's file, see {like}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no YAML: {error}") from error
    try:
        return kind.model_validate(loaded)
    except ValidationError as error:
        raise ConfigError(f"{path}: {complaints(error, kind)}") from error
