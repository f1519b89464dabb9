"""The configuration of a build: one TOML file, typed, unknown keys refused, read before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from training.endpoint import Endpoint
from training.errors import DatasetError
from training.personaemp.pipeline import StagesConfig
from training.personaemp.serving import PromptConfig
from training.personaemp.sources.sources import SourcesConfig
from training.personaemp.split import SplitRule
from training.read_config import read_config


class FailureLimit(BaseModel):
    """How many calls may fail for good before a build is no good."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float = Field(default=0.02, ge=0, le=1)
    """Of all calls. Each failed call leaves out what it was for, and is counted."""
    stop_after: int = Field(default=20, ge=1)
    """From so many on a build with more than its share stops at once, not at its end."""


class BuildConfig(BaseModel):
    """Everything that decides a data set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    out: Path
    """The directory of the data set; it must not exist, or be empty."""
    work: Path | None = None
    """Where finished calls are kept, with what people said in them; None: beside `out`, as `<out>.work`."""
    sources: SourcesConfig
    attune: Path | None = None
    """The configuration of the backend whose ledger is a source; None: its defaults and environment."""
    builder: Endpoint
    """The model that the stages ask."""
    prompt: PromptConfig = PromptConfig()
    stages: StagesConfig = StagesConfig()
    split: SplitRule = SplitRule()
    failures: FailureLimit = FailureLimit()

    @property
    def work_dir(self) -> Path:
        """Where finished calls are kept."""
        return self.work or self.out.with_name(self.out.name + ".work")

    def settings(self) -> dict[str, Any]:
        """Return what decides the content of the data set, for its manifest; places and speeds are not in it."""
        builder = {"model", "temperature", "max_tokens", "extra_body"}
        return self.model_dump(mode="json", include={"builder": builder, "prompt": True, "stages": True, "split": True})


def load_build_config(path: Path) -> BuildConfig:
    """Read a configuration.

    Raises:
        DatasetError: the file is missing, not TOML, or a key is unknown, missing or out of range; it is named.
    """
    return read_config(path, BuildConfig, DatasetError, "a data set's")
