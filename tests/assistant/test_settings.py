"""Settings over HTTP: safe defaults, what is left out stays, unknown places are refused, consents are on record."""

from __future__ import annotations

from typing import Any

import pytest

from assistant import places
from tests.fakes.backend import Backend

PATH = "/v1/me/settings"


async def test_the_defaults_are_the_safe_ones(backend: Backend) -> None:
    assert (await backend.client.get(PATH)).json() == {
        "memory": True,
        "persona": True,
        "training": False,
        "locale": None,
        "country": None,
        "retention_days": None,
        "adult": None,
        "consents": [],
    }


async def test_a_change_leaves_the_rest_and_consents_are_on_record(backend: Backend) -> None:
    await backend.client.patch(PATH, json={"training": True, "country": "at", "locale": "de_at"})
    await backend.client.patch(PATH, json={"adult": True, "retention_days": 90})
    settings = (await backend.client.patch(PATH, json={"training": False, "retention_days": None})).json()
    assert (settings["country"], settings["locale"], settings["adult"]) == ("AT", "de-AT", True)
    assert settings["retention_days"] is None
    assert [(one["purpose"], one["granted"]) for one in settings["consents"]] == [
        ("training", True),
        ("training", False),
    ]
    assert (await backend.client.get(PATH)).json() == settings


@pytest.mark.parametrize(
    "change",
    [
        {"country": "ZZ"},
        {"country": "Austria"},
        {"country": "EU"},
        {"locale": "xx-YY"},
        {"locale": "klingon"},
        {"locale": "en-ZZ"},
        {"memory": None},
        {"training": "maybe"},
        {"retention_days": 0},
        {"person_id": "somebody"},
        {"country": "A\x00"},
    ],
)
async def test_what_does_not_exist_is_refused_and_nothing_changes(backend: Backend, change: dict[str, Any]) -> None:
    refused = await backend.client.patch(PATH, json={"adult": True, **change})
    assert refused.status_code == 422
    assert refused.json()["error"]["param"] == next(iter(change))
    assert (await backend.client.get(PATH)).json()["adult"] is None


async def test_the_country_chooses_the_crisis_lines(backend: Backend) -> None:
    await backend.client.patch(PATH, json={"country": "UK"})
    reply = await backend.say(await backend.conversation(), "I want to kill myself tonight, I have the pills here")
    assert reply.json()["safety"]["resources"]["country"] == "GB"


async def test_without_memory_nothing_is_learned_or_used(backend: Backend) -> None:
    await backend.say(await backend.conversation(), "My dog Biscuit has a bad hip.")
    assert len(await backend.memories()) == 1
    await backend.client.patch(PATH, json={"memory": False})
    await backend.say(await backend.conversation(), "My sister Ana lives in Porto.")
    assert len(await backend.memories()) == 1
    reply = await backend.say(await backend.conversation(), "I am worried about my dog and his hip.")
    assert (reply.json()["context"]["status"], reply.json()["context"]["facts"]) == ("off", [])


def test_every_country_with_crisis_lines_is_one() -> None:
    from assistant.safety.resources import directory

    for code in {*directory().lines, *directory().emergency}:
        assert places.country(code) == code
