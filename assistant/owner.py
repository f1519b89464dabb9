"""The local owner's key: made on first start, kept where only the owner of the files can read it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memory.ledger.ledger import Ledger
    from memory.types import Person

FILE = "owner.key"


def owner_key(home: Path) -> str | None:
    """Read the local owner's key, if there is one."""
    try:
        return (home / FILE).read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None


async def ensure_owner_key(home: Path, ledger: Ledger, owner: Person, given: str | None = None) -> str:
    """Return the key, making file and record agree: the record is made first, so that a crash leaves no dead file.

    In place of a key that was revoked a new one is made; one that was `given` by the configuration is taken as it is.

    Raises:
        ConflictError: the given one is too short, or was revoked.
    """
    secret = owner_key(home)
    if given is not None:
        await ledger.keys.adopt(given, "owner", owner.id, label="local owner")
        if secret != given:
            _write(home / FILE, given)
        return given
    if secret is None or await ledger.keys.revoked(secret):
        _, secret = await ledger.keys.create("owner", owner.id, label="local owner")
        _write(home / FILE, secret)
    elif await ledger.keys.verify(secret) is None:
        await ledger.keys.adopt(secret, "owner", owner.id)
    return secret


def _write(path: Path, secret: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secret)
    draft.replace(path)
