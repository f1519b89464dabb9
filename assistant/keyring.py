"""Keys as operators handle them: made, listed, revoked; each act is on record with who did it.

The secret leaves this module once, in what `make` returns; the ledger holds its hash.
"""

from __future__ import annotations

from assistant import wire
from memory.ledger.keys import KeyRecord
from memory.ledger.ledger import Ledger

OPERATOR = "operator"
"""Who acts on the command line, where the files themselves are the permission."""


def key_view(key: KeyRecord) -> wire.KeyView:
    """A key as operators see it."""
    return wire.KeyView(
        id=key.id,
        kind=key.kind,
        person_id=key.person_id,
        scopes=list(key.scopes),
        label=key.label,
        created_at=key.created_at,
        revoked_at=key.revoked_at,
    )


async def make(ledger: Ledger, actor: str, wanted: wire.NewKey) -> wire.KeyMade:
    """Make a key, and for a user key without a person a new person.

    Raises:
        NotFoundError: there is no such person.
    """
    person_id = wanted.person_id
    if wanted.kind == "user" and person_id is None:
        person_id = (await ledger.users.create()).id
    scopes = ("act_as",) if wanted.act_as else ()
    record, secret = await ledger.keys.create(wanted.kind, person_id, scopes=scopes, label=wanted.label)
    detail = {"kind": record.kind, "person": person_id, "scopes": list(scopes)}
    await ledger.audit.write(actor, "key.create", record.id, detail)
    return wire.KeyMade(key=key_view(record), secret=secret)


async def revoke(ledger: Ledger, actor: str, key_id: str) -> wire.KeyView:
    """Make a key worthless from now on; revoking it again changes nothing.

    In place of a revoked key of the local owner the next start of the backend makes a new one.

    Raises:
        NotFoundError: there is no such key.
    """
    record = await ledger.keys.revoke(key_id)
    await ledger.audit.write(actor, "key.revoke", key_id, {"kind": record.kind})
    return key_view(record)
