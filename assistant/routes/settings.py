"""What the person allows and prefers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from fastapi import APIRouter

from assistant import places, wire
from assistant.auth import PersonId, Runtimes
from assistant.errors import InvalidRequestError
from assistant.runtime import Runtime

router = APIRouter(prefix="/v1/me/settings", tags=["settings"])

_KNOWN: dict[str, Callable[[str], str]] = {"country": places.country, "locale": places.locale}


@router.get("")
async def get(runtime: Runtimes, person: PersonId) -> wire.SettingsView:
    """Return the settings and the history of consents."""
    return await _view(runtime, person)


@router.patch("")
async def change(body: wire.SettingsChange, runtime: Runtimes, person: PersonId) -> wire.SettingsView:
    """Change what is named; a consent that changes is noted with its time."""
    changes = body.model_dump(include=body.model_fields_set)
    for name, known in _KNOWN.items():
        if changes.get(name) is not None:
            try:
                changes[name] = known(changes[name])
            except ValueError as error:
                raise InvalidRequestError(f"{name}: {error}", param=name) from error
    await runtime.ledger.settings.update(person, **changes)
    return await _view(runtime, person)


async def _view(runtime: Runtime, person: str) -> wire.SettingsView:
    settings = await runtime.ledger.settings.get(person)
    consents = await runtime.ledger.settings.consents(person)
    return wire.SettingsView(
        **dataclasses.asdict(settings),
        consents=[wire.ConsentView(purpose=one.purpose, granted=one.granted, at=one.at) for one in consents],
    )
