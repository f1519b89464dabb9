import asyncio

import pytest

from memory.config import MemoryConfig
from memory.errors import ConflictError, NotFoundError
from memory.ledger.keys import KeyKind
from memory.ledger.ledger import Ledger
from memory.types import Person

SECRET = "attune_" + "s" * 43


async def test_a_secret_is_verified_and_stored_nowhere(
    ledger: Ledger, person: Person, memory_config: MemoryConfig
) -> None:
    key, secret = await ledger.keys.create("user", person.id, scopes=("act_as",), label="laptop")
    assert secret.startswith("attune_") and len(secret) == 50
    assert await ledger.keys.verify(secret) == key
    assert (key.kind, key.person_id, key.scopes, key.label) == ("user", person.id, ("act_as",), "laptop")
    stored = b"".join(path.read_bytes() for path in memory_config.home.iterdir())
    assert secret.encode() not in stored and secret[7:].encode() not in stored


@pytest.mark.parametrize("secret", ["", "attune_", SECRET, "\0", "\ud800", "'; DROP TABLE keys; --"])
async def test_an_unknown_secret_is_no_key(ledger: Ledger, person: Person, secret: str) -> None:
    await ledger.keys.create("user", person.id)
    assert await ledger.keys.verify(secret) is None


async def test_a_revoked_key_is_worthless_and_stays_listed(ledger: Ledger, person: Person) -> None:
    assert not await ledger.keys.any()
    key, secret = await ledger.keys.create("user", person.id)
    assert await ledger.keys.any()
    revoked = await ledger.keys.revoke(key.id)
    assert revoked.revoked_at is not None
    assert await ledger.keys.verify(secret) is None
    assert await ledger.keys.list() == [revoked]
    assert await ledger.keys.revoke(key.id) == revoked
    assert not await ledger.keys.any()
    with pytest.raises(NotFoundError):
        await ledger.keys.revoke("key_unknown")


async def test_a_key_for_one_needs_an_existing_person_and_an_admins_has_none(ledger: Ledger, person: Person) -> None:
    personal: tuple[KeyKind, ...] = ("user", "owner")
    impersonal: tuple[KeyKind, ...] = ("app", "admin")
    for kind in personal:
        with pytest.raises(ConflictError, match="needs"):
            await ledger.keys.create(kind)
        with pytest.raises(NotFoundError):
            await ledger.keys.create(kind, "per_unknown")
    for kind in impersonal:
        with pytest.raises(ConflictError, match="has no person"):
            await ledger.keys.create(kind, person.id)
        assert (await ledger.keys.create(kind))[0].person_id is None


async def test_adopting_a_secret_at_once_and_again_makes_one_key(ledger: Ledger, person: Person) -> None:
    keys = await asyncio.gather(*(ledger.keys.adopt(SECRET, "owner", person.id) for _ in range(8)))
    assert len(set(keys)) == 1
    assert await ledger.keys.verify(SECRET) == keys[0]


async def test_a_secret_is_not_adopted_for_somebody_else_or_after_revoking(
    ledger: Ledger, person: Person, stranger: Person
) -> None:
    key = await ledger.keys.adopt(SECRET, "owner", person.id)
    with pytest.raises(ConflictError):
        await ledger.keys.adopt(SECRET, "owner", stranger.id)
    with pytest.raises(ConflictError):
        await ledger.keys.adopt(SECRET, "user", person.id)
    await ledger.keys.revoke(key.id)
    with pytest.raises(ConflictError, match="revoked"):
        await ledger.keys.adopt(SECRET, "owner", person.id)


async def test_a_secret_short_enough_to_guess_is_not_adopted(ledger: Ledger, person: Person) -> None:
    with pytest.raises(ConflictError, match="could be guessed"):
        await ledger.keys.adopt("hunter2", "owner", person.id)
