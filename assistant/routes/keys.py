"""Keys, for operators: made, listed, revoked."""

from __future__ import annotations

from fastapi import APIRouter

from assistant import keyring, wire
from assistant.auth import Admin, Runtimes

router = APIRouter(prefix="/v1/admin/keys", tags=["admin"])


@router.get("")
async def list_keys(runtime: Runtimes, _admin: Admin) -> wire.KeyList:
    """List all keys without their secrets, oldest first, revoked ones too."""
    return wire.KeyList(data=[keyring.key_view(key) for key in await runtime.ledger.keys.list()])


@router.post("", status_code=201)
async def make_key(body: wire.NewKey, runtime: Runtimes, admin: Admin) -> wire.KeyMade:
    """Make a key; its secret is in this answer and nowhere else."""
    return await keyring.make(runtime.ledger, admin.key.id, body)


@router.delete("/{key_id}")
async def revoke_key(key_id: str, runtime: Runtimes, admin: Admin) -> wire.KeyView:
    """Make a key worthless from now on."""
    return await keyring.revoke(runtime.ledger, admin.key.id, key_id)
