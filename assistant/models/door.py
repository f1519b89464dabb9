"""What every language model looks like from inside the house: `stream` and `complete`, and nothing else.

A prompt is a sequence of chat messages. Thinking sections never leave an engine. An engine retries within bounds before
the first token and never after it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypedDict

from assistant.support import SupportPlan


class ChatMessage(TypedDict):
    """One message of a prompt, in the form every chat API takes."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What the builtin responder answers from; language models read the prompt instead."""

    message: str
    """The person's newest words."""
    plan: SupportPlan
    facts: tuple[str, ...] = ()
    """Recalled facts, best first."""
    previous_replies: tuple[str, ...] = ()
    """Newest last, so that wording varies."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything a policy may answer from."""

    messages: tuple[ChatMessage, ...]
    situation: Situation | None = None
    cache_salt: str | None = None
    """One per person, so that nobody can time another's prefix cache (vLLM `cache_salt`)."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn; None leaves the choice to the engine."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int = 1024
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next visible piece of the reply."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a reply; always the last thing a stream yields."""

    reason: str
    """`stop`, `length`, or what the server said."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model answers; shown to the person and stored with every reply."""

    engine: Literal["openai_compatible", "local", "builtin"]
    model: str
    description: str
    """In words, for the person: what answers and where the text goes."""
    leaves_machine: bool = False
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def policy_version(self) -> str:
        """The name under which replies are recorded."""
        return f"{self.engine}:{self.model}"


class Model(Protocol):
    """A language model, or what stands in for one."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        ...

    def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[TextDelta | Finished]:
        """Answer piece by piece; closing the iterator aborts the work upstream.

        Raises:
            ModelError: with what failed and the repair; its subclass says whether trying again helps.
        """
        ...

    async def complete(
        self, messages: Sequence[ChatMessage], sampling: Sampling, schema: Mapping[str, Any] | None = None
    ) -> str:
        """Answer in one piece; with a JSON `schema`, constrained to it where the engine can.

        Raises:
            ModelError: as `stream` does; also when the answer is empty.
        """
        ...

    async def check(self) -> None:
        """Return when the model can answer; raise ModelError with the repair when it cannot."""
        ...

    async def aclose(self) -> None:
        """Release connections and weights."""
        ...
