"""The record of acts, for operators; it holds ids and counts, and never what people said."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from assistant import wire
from assistant.auth import Admin, Runtimes

router = APIRouter(prefix="/v1/admin/audit", tags=["admin"])


@router.get("")
async def list_acts(
    runtime: Runtimes,
    _admin: Admin,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    subject: Annotated[wire.Text | None, Query(max_length=128)] = None,
    action: Annotated[wire.Text | None, Query(max_length=64)] = None,
) -> wire.ActPage:
    """List who did what to whom, newest first; of one `subject` or one `action` when named."""
    acts, following = await runtime.ledger.audit.page(cursor, limit, subject=subject, action=action)
    data = [
        wire.ActView(at=act.at, actor=act.actor, action=act.action, subject=act.subject, detail=dict(act.detail))
        for act in acts
    ]
    return wire.ActPage(data=data, next_cursor=following)
