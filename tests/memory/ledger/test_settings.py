import asyncio

import pytest

from memory.errors import NotFoundError
from memory.ledger.ledger import Ledger
from memory.types import Person, Settings


async def test_who_never_chose_has_the_safe_defaults(ledger: Ledger, person: Person) -> None:
    settings = await ledger.settings.get(person.id)
    assert settings == Settings()
    assert not settings.training
    assert await ledger.settings.consents(person.id) == []


async def test_a_change_leaves_the_others_and_can_be_taken_back(ledger: Ledger, person: Person) -> None:
    await ledger.settings.update(person.id, country="DE", retention_days=30)
    assert await ledger.settings.update(person.id, adult=True, retention_days=None) == Settings(
        country="DE", adult=True
    )
    assert await ledger.settings.get(person.id) == Settings(country="DE", adult=True)


async def test_every_change_of_consent_is_on_record_and_nothing_else(ledger: Ledger, person: Person) -> None:
    await ledger.settings.update(person.id, training=True, locale="de")
    await ledger.settings.update(person.id, training=True)
    await ledger.settings.update(person.id, training=False, memory=False)
    consents = await ledger.settings.consents(person.id)
    assert [(consent.purpose, consent.granted) for consent in consents] == [
        ("training", True),
        ("memory", False),
        ("training", False),
    ]
    assert consents[0].at <= consents[1].at


async def test_changes_at_once_are_all_kept(ledger: Ledger, person: Person) -> None:
    changes: list[dict[str, object]] = [
        {"memory": False},
        {"persona": False},
        {"training": True},
        {"locale": "fr"},
        {"country": "FR"},
        {"retention_days": 7},
        {"adult": True},
    ]
    await asyncio.gather(*(ledger.settings.update(person.id, **change) for change in changes))
    assert await ledger.settings.get(person.id) == Settings(False, False, True, "fr", "FR", 7, True)


async def test_a_name_that_is_no_setting_is_refused(ledger: Ledger, person: Person) -> None:
    with pytest.raises(TypeError, match="person_id_of_somebody_else"):
        await ledger.settings.update(person.id, person_id_of_somebody_else="x")


async def test_settings_of_nobody_are_not_found(ledger: Ledger) -> None:
    with pytest.raises(NotFoundError):
        await ledger.settings.get("per_unknown")
    with pytest.raises(NotFoundError):
        await ledger.settings.update("per_unknown", memory=False)
