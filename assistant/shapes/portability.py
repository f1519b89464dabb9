"""Taking everything out and bringing it in."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from assistant.shapes.base import Response


class Export(Response):
    """`POST /v1/me/export`: an archive that is being made; ask for it by its id."""

    id: str
    status: Literal["pending", "running", "done", "failed"]
    created_at: datetime


class Brought(Response):
    """The last line of `POST /v1/me/import`: what an import brought that was not there."""

    type: Literal["brought"] = "brought"
    format: Literal["attune", "chatgpt", "jsonl"]
    people: int = 0
    conversations: int = 0
    messages: int = 0
    facts: int = 0
    """Restored from an archive; what is learned from a history comes later and is not counted here."""
    already_there: int = 0
    """Conversations that were there before."""
    to_learn_from: int = 0
    """Batches of turns that were handed to reflection."""
    failed_batches: int = 0
    skipped: list[str] = []
    """What was left out, each with its reason."""


class ImportFailed(Response):
    """The last line of an import that failed, for the answer has begun by then; nothing follows it."""

    type: Literal["error"] = "error"
    message: str
