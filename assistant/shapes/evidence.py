"""Where the words stand that a memory rests on."""

from __future__ import annotations

from datetime import datetime

from assistant.shapes.base import Response


class EvidenceSource(Response):
    """Exact words of the person, with the message they stand in."""

    message_id: str
    conversation_id: str
    quote: str
    said_at: datetime


class EvidenceList(Response):
    """`GET /v1/me/memories/{id}/evidence`, oldest first; empty for what the person stated or corrected by hand."""

    data: list[EvidenceSource]
