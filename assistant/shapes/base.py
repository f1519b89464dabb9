"""What all shapes share: text that can be kept, the bases of requests and responses, and errors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

MAX_MESSAGE_BYTES = 32 * 1024

CrisisLevel = Literal["none", "concern", "high", "imminent"]


def storable(text: str) -> str:
    """Return `text` unchanged if every database and every client can hold it.

    Raises:
        ValueError: it holds NUL or half of a surrogate pair.
    """
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode: it contains half of a surrogate pair") from None
    return text


def said(text: str) -> str:
    """Return `text` unchanged if it is something a person can have said: storable and not blank."""
    if not storable(text).strip():
        raise ValueError("must not be blank")
    return text


Text = Annotated[str, AfterValidator(storable)]
Said = Annotated[str, AfterValidator(said)]


class Request(BaseModel):
    """Base of every request body."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Response(BaseModel):
    """Base of every response body and event."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ErrorBody(Response):
    """What went wrong, where, and the repair."""

    message: str
    type: str
    code: str
    param: str | None = None
    request_id: str | None = None
    retry_after: float | None = None


class ErrorEnvelope(Response):
    """Every error response."""

    error: ErrorBody
