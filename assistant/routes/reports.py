"""Reports, for operators: counts that have to be told to others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from assistant import wire
from assistant.auth import Admin, Runtimes
from assistant.safety_report import safety_report

router = APIRouter(prefix="/v1/admin/safety", tags=["admin"])


@router.get("/report")
async def yearly(
    runtime: Runtimes, _admin: Admin, year: Annotated[int | None, Query(ge=2000, le=9999)] = None
) -> wire.SafetyReport:
    """Count a calendar year (UTC), the last one by default."""
    return await safety_report(runtime.ledger, year or datetime.now(UTC).year - 1)
