"""Which models could answer, and the choice among them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from assistant.shapes.base import Request, Response, Text


class ModelOffer(Response):
    """A model that could answer."""

    name: str
    description: str
    """What would answer, and where text would go."""
    leaves_machine: bool
    """Whether what people write would be sent to another machine."""
    download_bytes: int | None = None
    """About how much has to be downloaded first; None where nothing."""


class ModelOffers(Response):
    """`GET /v1/admin/models`: what was found, the automatic order first."""

    data: list[ModelOffer]
    answering: str
    """What answers now, in words."""
    chosen: str | None = None
    """The name that was chosen before; None means the automatic order."""
    configured: bool = False
    """Whether the configuration names the model, so that there is nothing to choose."""


class ModelChoice(Request):
    """`POST /v1/admin/models`: the model that is to answer from the backend's next start on."""

    name: Text = Field(min_length=1, max_length=200)
    agree: bool = False
    """Needed where text would leave the machine."""


class ModelStep(Response):
    """A line of what `POST /v1/admin/models` answers with; the last is `chosen` or `error`."""

    type: Literal["downloading", "chosen", "error"]
    done: int = 0
    total: int = 0
    """Bytes."""
    message: str = ""
