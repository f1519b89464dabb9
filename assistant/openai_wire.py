"""The OpenAI-compatible shapes we accept and answer with; unknown request fields are ignored, as clients expect."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

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
    n: Literal[1] | None = None
    user: Text | None = Field(default=None, max_length=256)
    safety_identifier: Text | None = Field(default=None, max_length=256)
    metadata: Metadata | None = None


class Metadata(BaseModel):
    """Our extensions; other keys are an app's own and are left alone."""

    model_config = ConfigDict(extra="allow", frozen=True)

    conversation_id: Text | None = None
    memory: Literal["on", "read", "off"] = "on"


ChatCompletionRequest.model_rebuild()


def completion(id: str, created: int, text: str, usage: dict[str, Any], metadata: dict[str, str]) -> dict[str, Any]:
    """A whole answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {
        "id": id,
        "object": "chat.completion",
        "created": created,
        "model": "attune",
        "choices": [choice],
        "usage": usage,
        "metadata": metadata,
    }


def chunk(id: str, created: int, delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    """A piece of a streamed answer."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": id, "object": "chat.completion.chunk", "created": created, "model": "attune", "choices": [choice]}
