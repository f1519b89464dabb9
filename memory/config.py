"""Configuration of the memory package: where things are kept, how they are embedded, how much is recalled."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field


class EmbedderConfig(BaseModel):
    """Which Sentence Transformers model turns text into vectors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = "sentence-transformers/all-MiniLM-L6-v2"
    """A hub id or a directory. Without a hub, the default comes from the installed weights package."""
    revision: str | None = None
    threads: int = Field(default=1, ge=1, description="Threads of the model; one is fastest beside a busy server.")


class IndexConfig(BaseModel):
    """Where the index over the facts lies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chroma_url: str | None = Field(default=None, pattern=r"^https?://[^/@?#]+$")
    """A Chroma server that several backends share; None means embedded, below `home`. A token that a proxy before it
    asks for is read from ATTUNE_CHROMA_TOKEN."""
    prefix: str = Field(default="facts", pattern=r"^[a-z][a-z0-9]{2,31}$")
    """Of the names of the collections on the server. Two installations on one server need two prefixes."""
    timeout_s: float = Field(default=10.0, gt=0, description="The longest wait for the server.")


class RecallConfig(BaseModel):
    """How much of what is known may enter one prompt."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    deadline_ms: int = Field(default=150, ge=1)
    limit: int = Field(default=8, ge=1, le=50, description="At most so many facts.")
    token_budget: int = Field(default=400, ge=1, description="At most so many tokens of facts, estimated.")
    min_score: float = Field(default=0.32, ge=-1, le=2, description="Facts below this score are not mentioned.")
    lexical_weight: float = Field(default=0.05, ge=0, le=1, description="What sharing rare words adds to nearness.")
    kind_weight: float = Field(default=0.03, ge=0, le=1, description="What being of a kind often meant adds to a rank.")
    recency_weight: float = Field(default=0.02, ge=0, le=1, description="What being new adds to a fact's rank.")
    recency_half_life_days: float = Field(default=180, gt=0, description="After so long being new counts half.")
    profile_share: float = Field(default=0.25, ge=0, le=1, description="Of token_budget, for what is known anyway.")
    profile_limit: int = Field(default=6, ge=0, le=8, description="At most so many facts of the profile.")


class ReflectionConfig(BaseModel):
    """When reflection runs and how often a failure is tried again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_attempts: int = Field(default=3, ge=1)
    retry_base_s: float = Field(default=1.0, ge=0)
    lease_s: float = Field(default=60.0, gt=0, description="A worker that is silent for so long is taken for dead.")
    batch_chars: int = Field(default=4000, ge=200, description="Turns are reflected in batches of about this size.")


class MemoryConfig(BaseModel):
    """Everything the memory package needs to open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: Path = Field(default_factory=lambda: user_data_path("attune", appauthor=False))
    """The data directory; everything kept lies below it unless `database_url` names a server."""
    database_url: str | None = None
    """SQLAlchemy URL; None means SQLite in WAL mode inside `home`."""
    max_open_indexes: int = Field(default=64, ge=1, description="Per-person Chroma directories kept open at once.")
    index: IndexConfig = IndexConfig()
    embedder: EmbedderConfig = EmbedderConfig()
    recall: RecallConfig = RecallConfig()
    reflection: ReflectionConfig = ReflectionConfig()
