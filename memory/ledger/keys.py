"""Keys: random, shown once, stored as a SHA-256 only, revocable.

A plain hash is enough because a secret carries 256 random bits; there is nothing to guess.
"""

from __future__ import annotations

import builtins
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.database import Database
from memory.errors import ConflictError, NotFoundError
from memory.ids import new_id
from memory.ledger import tables
from memory.ledger.insert import insert_new

KeyKind = Literal["user", "app", "admin", "owner"]

_keys = tables.keys


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is known of a key; never the secret."""

    id: str
    kind: KeyKind
    person_id: str | None
    """Whom a `user` or `owner` key speaks for."""
    scopes: tuple[str, ...]
    label: str
    created_at: datetime
    revoked_at: datetime | None = None


class Keys:
    """The keys of this ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, kind: KeyKind, person_id: str | None = None, scopes: Sequence[str] = (), label: str = ""
    ) -> tuple[KeyRecord, str]:
        """Create a key and return it with its secret, which cannot be had again.

        Raises:
            ConflictError: the kind needs a person and none was given, or the other way round.
            NotFoundError: there is no such person.
        """
        secret = "attune_" + secrets.token_urlsafe(32)
        async with self._database.writing() as connection:
            return await _insert(connection, secret, kind, person_id, scopes, label), secret

    async def adopt(
        self, secret: str, kind: KeyKind, person_id: str | None = None, scopes: Sequence[str] = (), label: str = ""
    ) -> KeyRecord:
        """Take a secret made elsewhere, such as the owner key's file; taking it twice is taking it once.

        Raises:
            ConflictError: the secret is too short, was revoked, or is a key of another kind or person.
            NotFoundError: there is no such person.
        """
        if len(secret) < 32:
            raise ConflictError("the key is shorter than 32 characters and could be guessed: delete it, make a new one")
        async with self._database.writing() as connection:
            known = await _find(connection, secret)
            if known is None:
                return await _insert(connection, secret, kind, person_id, scopes, label)
        if known.revoked_at is not None or (known.kind, known.person_id) != (kind, person_id):
            raise ConflictError(f"key {known.id} was revoked or belongs to somebody else: delete it and make a new one")
        return known

    async def verify(self, secret: str) -> KeyRecord | None:
        """Return the key of this secret, or None when there is none or it was revoked."""
        async with self._database.reading() as connection:
            found = await _find(connection, secret)
        return found if found is not None and found.revoked_at is None else None

    async def revoked(self, secret: str) -> bool:
        """Say whether this is the secret of a key that was revoked."""
        async with self._database.reading() as connection:
            found = await _find(connection, secret)
        return found is not None and found.revoked_at is not None

    async def list(self) -> builtins.list[KeyRecord]:
        """Return all keys, revoked ones too, oldest first."""
        async with self._database.reading() as connection:
            return [_record(row) for row in await connection.execute(select(_keys).order_by(_keys.c.id))]

    async def revoke(self, key_id: str) -> KeyRecord:
        """Make a key worthless from now on; revoking it again changes nothing.

        Raises:
            NotFoundError: there is no such key.
        """
        async with self._database.writing() as connection:
            await connection.execute(
                update(_keys)
                .where(_keys.c.id == key_id, _keys.c.revoked_at.is_(None))
                .values(revoked_at=datetime.now(UTC))
            )
            row = (await connection.execute(select(_keys).where(_keys.c.id == key_id))).one_or_none()
        if row is None:
            raise NotFoundError("key", key_id)
        return _record(row)

    async def any(self) -> bool:
        """Say whether there is a key that is not revoked."""
        async with self._database.reading() as connection:
            query = select(_keys.c.id).where(_keys.c.revoked_at.is_(None)).limit(1)
            return (await connection.execute(query)).first() is not None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


async def _find(connection: AsyncConnection, secret: str) -> KeyRecord | None:
    row = (await connection.execute(select(_keys).where(_keys.c.secret_sha256 == _digest(secret)))).one_or_none()
    return None if row is None else _record(row)


async def _insert(
    connection: AsyncConnection, secret: str, kind: KeyKind, person_id: str | None, scopes: Sequence[str], label: str
) -> KeyRecord:
    if (kind in ("user", "owner")) != (person_id is not None):
        raise ConflictError(f"a key of kind {kind!r} {'needs' if person_id is None else 'has no'} person")
    if person_id is not None:
        mine = select(tables.users.c.id).where(tables.users.c.id == person_id)
        if (await connection.execute(mine)).first() is None:
            raise NotFoundError("person", person_id)
    record = KeyRecord(new_id("key"), kind, person_id, tuple(scopes), label, datetime.now(UTC))
    values = {
        "id": record.id,
        "kind": kind,
        "person_id": person_id,
        "secret_sha256": _digest(secret),
        "scopes": list(record.scopes),
        "label": label,
        "created_at": record.created_at,
    }
    if await insert_new(connection, _keys, values):
        return record
    known = await _find(connection, secret)
    if known is None:
        raise ConflictError("the key was changed by another process at the same moment: try again")
    return known


def _record(row: Row[Any]) -> KeyRecord:
    return KeyRecord(
        id=row.id,
        kind=row.kind,
        person_id=row.person_id,
        scopes=tuple(row.scopes),
        label=row.label,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
