"""The protocol that is published is the one that is followed."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx

from assistant.safety.protocol import guidance
from assistant.safety.published import published
from assistant.safety.resources import card, directory
from assistant.safety.rules import rules
from assistant.safety.screen import LEVELS
from tests.fakes.backend import Backend


async def test_it_is_read_without_a_key(backend: Backend) -> None:
    async with httpx.AsyncClient(base_url=backend.url, trust_env=False, timeout=30) as nobody:
        answer = await nobody.get("/v1/safety/protocol")
    assert answer.status_code == 200
    assert answer.json() == published().model_dump(mode="json")


def test_it_has_every_level_category_and_language_that_the_screen_knows() -> None:
    known = rules().rules
    assert tuple(one.level for one in published().levels) == LEVELS
    assert set(published().categories) == {rule.category for rule in known}
    assert set(published().languages) == {rule.language for rule in known} - {"other"}


def test_the_guidance_is_what_a_model_gets() -> None:
    told = guidance("high", ("self_harm",)).splitlines()[2:]
    said = published().guidance.splitlines()[2:]
    assert [line for line in told if "safe right now" not in line] == [
        line for line in said if "safe right now" not in line
    ]
    assert len(said) == len(told) > 5 and "{" not in published().guidance


def test_its_dates_and_countries_are_the_directory_s() -> None:
    told = published().directory
    assert told.oldest_check <= told.checked <= datetime.now(UTC).date()
    assert all(card(country).lines or card(country).emergency for country in told.countries)
    assert set(told.countries) == {*directory().lines, *directory().emergency}
    assert card("AQ").message.find(told.elsewhere) > 0
