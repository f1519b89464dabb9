"""Configuration of the backend: a TOML file, overridden by `ATTUNE_*` in the environment; secrets only from there.

`ATTUNE_POLICY__BASE_URL` sets `policy.base_url`; `ATTUNE_POLICY__API_KEY_FILE` names a file with the value of
`policy.api_key`, and so for every other key. Unknown keys are refused with the file named.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from assistant.errors import ConfigError
from memory.config import MemoryConfig
from memory.errors import SecretError
from memory.secret import SUFFIX, read_secret

Engine = Literal["auto", "same", "openai_compatible", "local", "builtin"]


class ModelConfig(BaseModel):
    """One role of the house (`policy`, `reflect`, …) and the model that fills it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Engine = "auto"
    """`same` uses the policy's model; with `builtin`, reflection is the offline one."""
    model: str | None = None
    """A served name, a hub id or a directory."""
    base_url: str | None = None
    """Of an OpenAI-compatible server, up to and with `/v1`."""
    api_key: SecretStr | None = None
    connect_timeout_s: float = Field(default=5.0, gt=0)
    first_token_timeout_s: float = Field(default=60.0, gt=0)
    between_tokens_timeout_s: float = Field(default=30.0, gt=0)
    retries: int = Field(default=2, ge=0, le=10, description="Before the first token only.")
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int = Field(default=1024, ge=1)
    context_tokens: int = Field(default=8192, ge=512, description="The prompt is fitted to it; oldest turns go first.")
    preset: Literal["full", "paper"] = "full"
    thinking: bool = False
    """Whether a thinking model may think; its thoughts are hidden either way."""
    thinking_opened: bool = False
    """Whether the server's chat template opens the thinking section itself, so that every reply begins inside it."""


class ServerConfig(BaseModel):
    """Where the API listens and what it accepts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8300, ge=0, le=65535)
    max_body_bytes: int = Field(default=512 * 1024, ge=1024)
    max_header_bytes: int = Field(default=16 * 1024, ge=1024, description="Of a request's first line and headers.")
    max_connections: int = Field(default=2000, ge=1, description="The one that was silent longest makes room.")
    request_timeout_s: float = Field(default=20.0, gt=0, description="For the headers; and for silence in a body.")
    send_timeout_s: float = Field(default=60.0, gt=0, description="For a client that reads nothing of its answer.")
    keep_alive_s: int = Field(default=5, ge=1, description="How long an idle connection is kept.")
    drain_s: float = Field(default=25.0, ge=0, description="On SIGTERM; replies longer than that are kept partial.")
    duplicate_window_s: float = Field(default=60.0, ge=0)
    disconnect_grace_s: float = Field(default=2.0, ge=0, description="How long a reply goes on when nobody listens.")
    ping_s: float = Field(default=15.0, gt=0)
    log_format: Literal["text", "json"] = "text"
    """`json`: one object a line on standard error, with each request, and never with what people said."""
    messages_per_minute: int = Field(default=20, ge=0, description="Of one person; 0 allows any number.")
    streams_at_once: int = Field(default=2, ge=0, description="Replies to one person; 0 allows any number.")
    replies_at_once: int = Field(default=32, ge=1, description="Replies to everybody; more wait in line.")
    waiting_line: int = Field(default=64, ge=0, description="Replies that may wait; more are refused with 503.")
    worker: bool = True
    """Whether the backend reflects, forgets and exports itself; false (`--no-worker`) leaves that to `attune work`."""


class SafetyConfig(BaseModel):
    """The second look at messages about which the screen is in doubt."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    second_look: ModelConfig = ModelConfig(engine="builtin")
    """`builtin`: none; `same`: the policy's model. It may raise a level and never lowers one."""
    second_look_s: float = Field(default=2.0, gt=0, description="So long such a message waits; then it is concern.")


class WorkerConfig(BaseModel):
    """How `attune work` runs, and where it says how it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8310, ge=0, le=65535, description="Of /healthz, /readyz and /metrics.")
    finish_s: float = Field(default=25.0, ge=0, description="On SIGTERM; jobs that take longer are given back.")


class PoliciesConfig(BaseModel):
    """What a trained policy must show before it answers everybody, and when a canary stops."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gates: tuple[Literal["evaluation", "safety", "canary"], ...] = ("evaluation", "safety", "canary")
    """Those that are left out stand in the audit of each activation."""
    evaluation_margin: float = Field(default=0.02, ge=0, le=1, description="Of the scale; how much losing is a tie.")
    evaluation_pairs: int = Field(default=30, ge=1, description="Scored pairs that an evaluation needs.")
    evaluation_unscored: float = Field(default=0.1, ge=0, le=1, description="The share of pairs without a score.")
    canary_turns: int = Field(default=50, ge=1, description="Turns a canary answers before it may go live.")
    canary_error_rate: float = Field(default=0.02, ge=0, le=1)
    canary_slower: float = Field(default=2.0, ge=1, description="Times what the others need to the first token.")
    poll_s: float = Field(default=0.5, gt=0, le=1.0, description="How often the stages are looked at.")
    keep_s: float = Field(default=5.0, gt=0, description="How often it is seen to that the servers have their LoRA.")


class Environment(EnvSettingsSource):
    """The environment, where `ATTUNE_…_FILE` names a file with the value: secrets need not stand in the environment."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        found = dict(super()._load_env_vars())
        for name in [name for name in found if name.startswith("attune_") and name.endswith(SUFFIX.lower())]:
            path = found.pop(name)
            if path:
                found[name.removesuffix(SUFFIX.lower())] = read_secret(path, name.upper())
        return found


class AssistantConfig(BaseSettings):
    """Everything the backend needs to start."""

    model_config = SettingsConfigDict(
        env_prefix="ATTUNE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    home: Path | None = None
    """`ATTUNE_HOME`: the data directory; None means the platform's place for application data."""
    owner_key: SecretStr | None = None
    """The local owner's key, the same for every backend on one ledger; else each data directory has one of its own."""
    memory: MemoryConfig = MemoryConfig()
    policy: ModelConfig = ModelConfig()
    reflect: ModelConfig = ModelConfig(engine="same")
    safety: SafetyConfig = SafetyConfig()
    server: ServerConfig = ServerConfig()
    worker: WorkerConfig = WorkerConfig()
    policies: PoliciesConfig = PoliciesConfig()
    discover: bool = True
    """Whether `auto` looks for model servers on this machine's usual ports."""
    ai_notice: str = "Attune is an AI, not a person and not a therapist. It can be wrong."
    ai_reminder: str = (
        "You have been talking with Attune for {hours} hours. It is an AI, not a person and not a therapist. "
        "A break, or talking with somebody you trust, may do you good."
    )
    ai_reminder_hours: float = Field(default=3.0, ge=0, le=24, description="Of use without a longer pause; 0: never.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file."""
        return Environment(settings_cls), init_settings

    @property
    def memory_config(self) -> MemoryConfig:
        """The memory configuration with `home` in force."""
        return self.memory if self.home is None else self.memory.model_copy(update={"home": self.home.expanduser()})


def load_config(path: Path | None = None) -> AssistantConfig:
    """Read the configuration from `path`, else from `ATTUNE_CONFIG`, else the defaults; the environment wins.

    Raises:
        ConfigError: the file is missing, not TOML, or a key is unknown or out of range.
    """
    chosen = path or (Path(os.environ["ATTUNE_CONFIG"]) if os.environ.get("ATTUNE_CONFIG") else None)
    values: dict[str, Any] = {}
    if chosen is not None:
        try:
            values = tomllib.loads(chosen.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"cannot read the configuration {chosen}: {error}") from error
    try:
        return AssistantConfig(**values)
    except SecretError as error:
        raise ConfigError(str(error)) from error
    except ValidationError as error:
        where = str(chosen) if chosen else "the environment (ATTUNE_*)"
        problems = "; ".join(_problem(e["type"], e["loc"], e["msg"]) for e in error.errors(include_input=False))
        raise ConfigError(f"{where}: {problems}") from error


def _problem(kind: str, where: tuple[int | str, ...], message: str) -> str:
    """Say what is wrong with one key, and for an unknown one which known key is nearest."""
    told = f"{'.'.join(map(str, where))}: {message}"
    if kind != "extra_forbidden":
        return told
    model: Any = AssistantConfig
    for part in where[:-1]:
        field = model.model_fields.get(str(part))
        model = field.annotation if field is not None else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return told
    near = get_close_matches(str(where[-1]), model.model_fields, n=1, cutoff=0.5)
    keys = ", ".join(sorted(model.model_fields))
    return f"{told}; did you mean {near[0]!r}?" if near else f"{told}; known keys here: {keys}"
