"""The OpenAI-compatible shapes we accept and answer with.

Unknown request fields are ignored, as clients expect; known ones that ask for what is not offered are refused, so that
nobody waits for a tool call that never comes. Their neutral values, which SDKs send by themselves, are accepted.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from assistant.errors import UnsupportedParameterError
from assistant.wire import Text


class Lenient(BaseModel):
    """Base of the requests of a protocol that grows without us."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class TextPart(Lenient):
    """A piece of content; only text is understood."""

    type: Literal["text"]
    text: Text


class ChatMessage(Lenient):
    """One message as the client sends it."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[TextPart]

    @property
    def text(self) -> str:
        """The content as one text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(Lenient):
    """What a stream carries beside the reply."""

    include_usage: bool = False


class ChatCompletionRequest(Lenient):
    """`POST /v1/chat/completions`."""

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=2000)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stop: str | list[str] | None = None
    seed: int | None = None
    n: int | None = None
    tools: Any = None
    tool_choice: Any = None
    functions: Any = None
    function_call: Any = None
    response_format: Any = None
    logprobs: Any = None
    top_logprobs: Any = None
    logit_bias: Any = None
    frequency_penalty: Any = None
    presence_penalty: Any = None
    modalities: Any = None
    audio: Any = None
    prediction: Any = None
    web_search_options: Any = None
    user: Text | None = Field(default=None, max_length=256)
    safety_identifier: Text | None = Field(default=None, max_length=256)
    metadata: Metadata | None = None


_REPAIRS = {
    "tools": "Attune calls no tools",
    "tool_choice": "Attune calls no tools",
    "functions": "Attune calls no functions",
    "function_call": "Attune calls no functions",
    "response_format": "replies are plain text; ask for the form in words",
    "n": "a message has one reply; POST /v1/messages/{id}/regenerate gives another",
    "logprobs": "probabilities are not told",
    "top_logprobs": "probabilities are not told",
    "logit_bias": "words cannot be weighted",
    "frequency_penalty": "use temperature or top_p",
    "presence_penalty": "use temperature or top_p",
    "modalities": "replies are text",
    "audio": "replies are text",
    "prediction": "replies are not predicted",
    "web_search_options": "Attune does not search the web",
}
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "n": (1,),
    "modalities": (["text"],),
}


def refuse_unsupported(request: ChatCompletionRequest) -> None:
    """Return when everything that is asked for can be given.

    Raises:
        UnsupportedParameterError: a parameter asks for something else; `param` names it.
    """
    for name, repair in _REPAIRS.items():
        value = getattr(request, name)
        neutral = (name != "n" and not value) or value is None or value in _NEUTRAL.get(name, ())
        if not neutral:
            raise UnsupportedParameterError(f"{name} is not supported: {repair}. Leave it out", param=name)


class Metadata(BaseModel):
    """Our extensions; other keys are an app's own and are left alone."""

    model_config = ConfigDict(extra="allow", frozen=True)

    conversation_id: Text | None = None
    memory: Literal["on", "read", "off"] = "on"
    store: bool = True
    """False: nothing of the turn is kept; its conversation is incognito, and deleted once it is answered."""


ChatCompletionRequest.model_rebuild()


class Answer(BaseModel):
    """Base of what is answered."""

    model_config = ConfigDict(frozen=True)


class Model(Answer):
    """A model that is served."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "attune"


class Models(Answer):
    """`GET /v1/models`."""

    object: Literal["list"] = "list"
    data: list[Model]


class Reply(Answer):
    """What was said."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(Answer):
    """The only choice."""

    index: int = 0
    message: Reply
    finish_reason: str


class Usage(Answer):
    """Tokens, by the model's own count; 0 where it told none."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(Answer):
    """The answer of `POST /v1/chat/completions` that was not asked to stream."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str = "attune"
    choices: list[Choice]
    usage: Usage
    metadata: dict[str, str]
    attune: dict[str, Any] = Field(
        description="Ours, which OpenAI's clients pass on or leave alone: conversation_id, message_id, "
        "policy_version, notices, safety (level and resources) and retracted."
    )


def completion(
    id: str,
    created: int,
    text: str,
    usage: dict[str, Any],
    metadata: dict[str, str],
    finish_reason: str,
    attune: dict[str, Any],
) -> dict[str, Any]:
    """A whole answer."""
    choice = Choice(message=Reply(content=text), finish_reason=finish_reason)
    answer = Completion(
        id=id, created=created, choices=[choice], usage=Usage(**usage), metadata=metadata, attune=attune
    )
    return answer.model_dump(mode="json")


def chunk(
    id: str,
    created: int,
    delta: dict[str, str],
    finish_reason: str | None = None,
    attune: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A piece of a streamed answer; the first and the last carry `attune`."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    piece = {"id": id, "object": "chat.completion.chunk", "created": created, "model": "attune", "choices": [choice]}
    return piece if attune is None else {**piece, "attune": attune}
