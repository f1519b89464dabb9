"""Where a model that data stages, criteria, judge or evaluation ask is served, and how hard it may be asked."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from training.errors import TrainingError


class Endpoint(BaseModel):
    """One model of one OpenAI-compatible server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = "http://127.0.0.1:8000/v1"
    """Most end in /v1."""
    model: str
    api_key_env: str | None = None
    """The name of the environment variable that holds the key; the key itself never stands in a file."""
    temperature: float = Field(default=0.3, ge=0)
    max_tokens: int = Field(default=1024, ge=1)
    """Of one answer, where the call says nothing else."""
    concurrency: int = Field(default=64, ge=1)
    """Calls at once."""
    timeout_s: float = Field(default=180.0, gt=0)
    """For one try, from sending to the last byte."""
    retries: int = Field(default=4, ge=0)
    """Further tries where the server is down, busy or silent."""
    reasks: int = Field(default=1, ge=0)
    """Further tries where the answer cannot be used: no JSON, not of the schema, or cut at its token limit."""
    seeded: bool = True
    """Whether the server takes a seed. vLLM 0.32 on a CPU must not get one: its engine dies when a prompt that is read
    in parts has a generator of its own (`CPU Generator does not use offset`)."""
    extra_body: Mapping[str, Any] = Field(default_factory=dict)
    """Further fields of every request, such as `chat_template_kwargs`."""
    price_per_million_prompt: float = Field(default=0.0, ge=0)
    """In any currency; for the cost that is shown."""
    price_per_million_completion: float = Field(default=0.0, ge=0)

    @property
    def identity(self) -> str:
        """A hash of what decides the answers: the model, how it is sampled, further fields; not where it runs."""
        deciding = [self.model, self.temperature, self.max_tokens, dict(self.extra_body)]
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:16]

    def api_key(self) -> str | None:
        """Read the key from the environment.

        Raises:
            TrainingError: the variable is named and not set.
        """
        if self.api_key_env is None:
            return None
        key = os.environ.get(self.api_key_env)
        if not key:
            raise TrainingError(f"{self.api_key_env} is not set; export the API key of {self.base_url} under this name")
        return key
