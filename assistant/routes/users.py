"""People, for operators: who there is, how much is kept of them, and erasing them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from assistant import people, wire
from assistant.auth import Admin, Runtimes
from assistant.erasing import erase_person

router = APIRouter(prefix="/v1/admin/users", tags=["admin"])


@router.get("")
async def list_users(
    runtime: Runtimes,
    _admin: Admin,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> wire.PersonPage:
    """List people, oldest first."""
    return await people.page(runtime.ledger, cursor, limit)


@router.post("", status_code=201)
async def add_user(runtime: Runtimes, admin: Admin, body: wire.NewPerson | None = None) -> wire.PersonView:
    """Add a person; a key for them is made with `POST /v1/admin/keys`."""
    return await people.add(runtime.ledger, admin.key.id, body.external_id if body else None)


@router.get("/{person_id}")
async def count_user(person_id: str, runtime: Runtimes, _admin: Admin) -> wire.PersonCounts:
    """Count what is kept of a person."""
    return await people.counts(runtime.ledger, person_id)


@router.delete("/{person_id}")
async def erase_user(person_id: str, runtime: Runtimes, admin: Admin, dry_run: bool = False) -> wire.Receipt:
    """Erase a person with everything that is theirs, or say what would go."""
    return await erase_person(runtime, admin.key.id, person_id, dry_run=dry_run)
