"""What a policy is: weights, the servers that have them, the prompt it was trained with, and where it came from.

This is what `attune policies register` reads from a file, what the API takes, and what the ledger keeps as a policy's
details. Secrets are never in it: a key is named by its environment variable.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from assistant.config import ModelConfig
from assistant.errors import ConfigError
from assistant.models.address import ServerAddress
from assistant.prompt import Preset
from assistant.rollout.reports import EvaluationReport, SafetyReport
from memory.secret import secret

CONFIGURED = "configured"
"""The version under which a first activation keeps the model of the configuration."""

DESCRIPTION = "attune_policy.json"
"""What training leaves beside the weights; no part of their hash."""

Version = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_CHUNK = 1 << 20


class Lineage(BaseModel):
    """Where a policy came from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data_manifest: str | None = None
    """The hash of the manifest of the data set it was trained on."""
    judge: str | None = None
    """The hash of the judge that rewarded it."""
    config: str | None = None
    """The training configuration, by hash or path."""
    run: str | None = None
    """verl's run."""


class PolicySpec(BaseModel):
    """One version of what may answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Version
    kind: Literal["lora", "full"]
    base: str
    """The base model, a hub id or a directory."""
    path: Path | None = None
    """Where its files are, as the servers see it; a LoRA is loaded from there."""
    sha256: Sha256 | None = None
    """Of its files, see `fingerprint`; computed when it is registered where `path` can be read."""
    served_name: str = ""
    """What the servers call it; left out, `attune-VERSION`. A LoRA's name must hold its version, because vLLM answers
    from stale cache entries when a name gets other weights."""
    replicas: tuple[str, ...] = Field(min_length=1)
    """The servers that have it, each up to and with `/v1`."""
    api_key_env: str | None = None
    """The environment variable with the servers' key."""
    preset: Preset
    prompt_hash: str
    """Of the prompt it was trained with; it never answers under another."""
    context_tokens: int | None = Field(default=None, ge=512)
    max_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    lineage: Lineage = Lineage()
    evaluation: EvaluationReport | None = None
    safety: SafetyReport | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.version == CONFIGURED:
            raise ValueError(f"the version {CONFIGURED!r} means the configured model: choose another")
        if self.kind == "lora" and self.path is None:
            raise ValueError("a LoRA needs path, the directory of its adapter as the servers see it")
        if not self.served_name:
            object.__setattr__(self, "served_name", f"attune-{self.version}")
        if self.kind == "lora" and self.version not in self.served_name:
            raise ValueError(f"served_name must hold the version {self.version!r}")
        for url in self.replicas:
            try:
                ServerAddress.parse(url, role="replica")
            except ConfigError as error:
                raise ValueError(error.message) from error
        return self

    def model_config_for(self, replica: str, configured: ModelConfig) -> ModelConfig:
        """The configuration of one server of this policy; what the policy does not say is as configured."""
        given = {name: getattr(self, name) for name in ("context_tokens", "max_tokens", "temperature")}
        return configured.model_copy(
            update={
                "engine": "openai_compatible",
                "base_url": replica,
                "model": self.served_name,
                "api_key": self.api_key,
                "preset": self.preset,
                **{name: value for name, value in given.items() if value is not None},
            }
        )

    @property
    def api_key(self) -> SecretStr | None:
        """The servers' key, from the environment, or from the file that it names.

        Raises:
            ConfigError: the variable is not set.
            SecretError: the file cannot be read.
        """
        if self.api_key_env is None:
            return None
        value = secret(self.api_key_env)
        if not value:
            raise ConfigError(f"policy {self.version}: the environment variable {self.api_key_env} is not set")
        return SecretStr(value)


def fingerprint(path: Path) -> str:
    """Hash a file, or all files below a directory with their names but the description; takes the time of reading.

    Raises:
        ConfigError: there is nothing to hash.
    """
    below = sorted(file for file in path.rglob("*") if file.is_file() and file.name != DESCRIPTION)
    files = [path] if path.is_file() else below
    if not files:
        raise ConfigError(f"{path} holds no files: give the directory of the weights or of the adapter")
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(path) if file != path else file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as content:
            while block := content.read(_CHUNK):
                digest.update(block)
    return digest.hexdigest()
