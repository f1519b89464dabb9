"""What a person had forgotten, remembered only as hashes, so that what they said before does not teach it again.

Every hash has a salt of its own, so that no two rows of a statement look alike and no table made beforehand finds it;
who holds the ledger can still try statements one by one. Saying it again in a later message makes it learnable again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.ledger import tables
from memory.ledger.evidence import chunks

_forgotten = tables.forgotten_facts


async def note_forgotten(connection: AsyncConnection, person_id: str, fingerprints: Iterable[str]) -> None:
    """Write down inside a transaction that statements with these fingerprints were forgotten now."""
    newest = select(func.coalesce(func.max(tables.messages.c.seq), 0))
    seq = int((await connection.execute(newest)).scalar_one())
    rows = [
        {"person_id": person_id, "salt": salt, "digest": _digest(salt, one), "message_seq": seq}
        for one in dict.fromkeys(fingerprints)
        for salt in [secrets.token_hex(16)]
    ]
    if rows:
        await connection.execute(insert(_forgotten), rows)


async def was_forgotten(
    connection: AsyncConnection, person_id: str, fingerprint: str, message_ids: Iterable[str]
) -> bool:
    """Say whether this statement was forgotten after the last of the messages that would teach it."""
    messages, newest = tables.messages, 0
    for part in chunks(message_ids):
        mine = (messages.c.person_id == person_id, messages.c.id.in_(part))
        seq = (await connection.execute(select(func.max(messages.c.seq)).where(*mine))).scalar_one()
        newest = max(newest, seq or 0)
    query = select(_forgotten.c.salt, _forgotten.c.digest)
    query = query.where(_forgotten.c.person_id == person_id, _forgotten.c.message_seq >= newest)
    rows = (await connection.execute(query)).all()
    return any(hmac.compare_digest(row.digest, _digest(row.salt, fingerprint)) for row in rows)


def _digest(salt: str, fingerprint: str) -> str:
    return hmac.new(bytes.fromhex(salt), fingerprint.encode("ascii"), hashlib.sha256).hexdigest()
