"""Everything of the person at once."""

from __future__ import annotations

from fastapi import APIRouter

from assistant import wire
from assistant.auth import PersonId, Runtimes
from assistant.erasing import forget
from memory.ledger.going import Target

router = APIRouter(prefix="/v1/me", tags=["me"])


@router.delete("")
async def erase(runtime: Runtimes, person: PersonId, dry_run: bool = False) -> wire.Receipt:
    """Forget everything of the person; of the local owner an empty person and their key stay."""
    return await forget(runtime, person, Target("person"), dry_run=dry_run)
