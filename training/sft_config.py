"""What a supervised run is made from: configs/sft.yaml, in the form of a GRPO run; nothing heavy is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from training.evaluation.config import PolicyConfig
from training.grpo_config import VerlConfig, absolute, load_run


class SftRunConfig(BaseModel):
    """Our part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path
    """A data set, as `attune-train data build` leaves it."""
    teacher: PolicyConfig
    """Who writes the replies that are learned from, and what it is told of the person."""
    out: Path
    """Where replies, checkpoints, metrics and the plot go; a run that was cut off goes on from here."""
    device: Literal["gpu", "cpu"] = "gpu"
    environment: Path = Path(".venv-train")
    """The virtual environment of `make setup-train`."""
    gpu_gib: float | None = Field(default=None, gt=0)
    """Memory of one GPU; None asks nvidia-smi."""
    most_unanswered: float = Field(default=0.1, ge=0, le=1)
    """The share of rows that the teacher may leave without a reply; they are left out and counted."""
    seed: int = 0


class SftConfig(VerlConfig):
    """One supervised run."""

    attune: SftRunConfig

    @property
    def base_model(self) -> str:
        """The base model; a relative directory as an absolute one, because verl and servers run elsewhere."""
        return absolute(str(self.get("model.path")))


def load_sft_config(path: Path) -> SftConfig:
    """Read a file such as configs/sft.yaml.

    Raises:
        ConfigError: it is missing, no YAML, or holds a key or value that is not known; it is named.
    """
    return load_run(path, SftConfig, "configs/sft.yaml")
