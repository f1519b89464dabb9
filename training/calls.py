"""A question to a model, its answer, and the failure of a call: the values that everything which asks shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from training.errors import TrainingError

Failure = Literal["unreachable", "refused", "timeout", "garbled", "schema", "length"]


@dataclass(frozen=True, slots=True)
class Call:
    """One question."""

    messages: Sequence[Mapping[str, str]]
    schema: Mapping[str, Any] | None = None
    """JSON schema of the answer; None for free text."""
    max_tokens: int | None = None
    """None: the endpoint's."""
    temperature: float | None = None
    """None: the endpoint's."""
    seed: int | None = None
    tag: str = "call"
    """The stage, for the accounts; not part of what makes two calls the same."""
    owner: str = ""
    """Whose words are in it, for forgetting its answer; not part of what makes two calls the same."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    text: str
    """Without thinking sections."""
    value: Any = None
    """Read from the text and valid under the schema; None for free text."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None
    """Prompt tokens that the server had in its prefix cache; None where it does not say."""
    seconds: float = 0.0
    """Of the try that answered."""
    cut: bool = False
    """Free text that ended at its token limit."""
    from_cache: bool = False


class CallError(TrainingError):
    """A call that failed for good; `kind` says how, the message names the repair."""

    def __init__(self, message: str, kind: Failure, *, fatal: bool = False, wait: float | None = None) -> None:
        super().__init__(message)
        self.kind: Failure = kind
        self.fatal = fatal
        """Every other call would fail the same way: a wrong key, model or address."""
        self.wait = wait
        """Seconds that the server asked to wait."""
