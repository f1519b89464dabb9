import re
import tomllib
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest

from assistant.safety.resources import card, card_text, directory, entries_older_than

SOURCE = Path(__file__).parents[4] / "shared" / "data" / "crisis_lines.toml"
PACKAGE = files("assistant.safety")
LANGUAGES = ("en", "es", "de", "fr", "pt", "zh", "ja")


def own_directory() -> dict[str, list[dict[str, str]]]:
    data: dict[str, list[dict[str, str]]] = tomllib.loads(PACKAGE.joinpath("resources.toml").read_text("utf-8"))
    return data


@pytest.mark.skipif(not SOURCE.exists(), reason="the checked source ../shared/data/crisis_lines.toml is not here")
def test_every_number_stands_in_the_checked_source() -> None:
    source = tomllib.loads(SOURCE.read_text("utf-8"))
    lines = {(one["country"], one["name"]): one for one in source["line"]}
    for line in own_directory()["line"]:
        checked = lines.pop((line["country"], line["name"]))
        assert {key: line.get(key) for key in checked} == checked
    assert not lines
    numbers = {one["country"]: (one["number"], one.get("also"), one["sources"]) for one in source["emergency"]}
    own = {one["country"]: (one["number"], one.get("also"), one["sources"]) for one in own_directory()["emergency"]}
    assert own == numbers


@pytest.mark.parametrize("name", ["replies.toml", "protocol.md"])
def test_the_fixed_texts_hold_no_digit(name: str) -> None:
    assert re.search(r"\d", PACKAGE.joinpath(name).read_text("utf-8")) is None


def test_every_entry_names_its_sources_and_the_day_it_was_checked() -> None:
    for entry in (*own_directory()["line"], *own_directory()["emergency"]):
        assert entry["sources"]
        assert datetime.fromisoformat(entry["checked"])


def test_a_country_with_a_line_gets_its_lines_and_emergency_number() -> None:
    found = card("us")
    assert found.country == "US"
    assert found.lines[0].call == own_directory()["line"][0]["call"]
    assert found.lines[0].checked
    assert found.emergency is not None


def test_a_country_without_a_line_gets_its_sourced_emergency_number() -> None:
    found = card("SE")
    assert not found.lines
    assert found.emergency is not None
    assert "no verified crisis line" in found.message


@pytest.mark.parametrize("country", ["XX", "ZZ", "not a country"])
def test_an_unknown_country_gets_words_and_no_number(country: str) -> None:
    found = card(country)
    assert not found.lines
    assert found.emergency is None
    assert "no verified line" in found.message
    assert "your local emergency number" in found.message
    assert "findahelpline.com" in found.message
    assert re.search(r"\d", found.message) is None


@pytest.mark.parametrize("country", [None, "", "  "])
def test_no_country_gets_the_international_directory(country: str | None) -> None:
    found = card(country)
    assert found.country is None
    assert "findahelpline.com" in found.message
    assert found.emergency is None


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("country", ["DE", "SE", "XX", None])
def test_a_card_is_readable_as_plain_text_in_each_language(country: str | None, language: str) -> None:
    found = card(country, language)
    text = card_text(found, language)
    assert text.startswith(found.message)
    assert "{" not in text
    assert all(line.name in text and (line.call or "") in text for line in found.lines)


def test_entries_become_due_with_age() -> None:
    assert entries_older_than(30, now=datetime(2026, 11, 21, tzinfo=UTC)) == []
    later = entries_older_than(180, now=datetime(2027, 11, 21, tzinfo=UTC))
    assert len(later) == sum(map(len, directory().lines.values())) + len(directory().emergency)
