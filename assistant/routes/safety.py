"""Crisis resources and the protocol; public, because nobody should need a key to find help or to read the rules."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from assistant import wire
from assistant.safety.published import published
from assistant.safety.resources import card

router = APIRouter(prefix="/v1/safety", tags=["safety"])


@router.get("/resources")
async def resources(country: Annotated[str | None, Query(pattern="^[A-Za-z]{2}$")] = None) -> wire.ResourceCard:
    """Return where to turn in a country (ISO 3166-1 alpha-2)."""
    return card(country.upper() if country else None)


@router.get("/protocol")
async def protocol() -> wire.SafetyProtocol:
    """Return the safety protocol: the levels, what follows from each, and the date of the directory of crisis lines."""
    return published()
