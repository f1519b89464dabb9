"""What is believed of the person: seen, corrected, frozen, deleted, turned off, asked in a questionnaire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.driven_app import DrivenApp
from tests.fakes.scripted_backend import ScriptedBackend
from tests.fakes.scripted_person import lively, unknown
from tui import traits
from tui.screens.ask import ChooseScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.persona import PersonaScreen
from tui.screens.questionnaire import QuestionnaireScreen


@pytest.fixture
async def persona(backend: ScriptedBackend, chat: DrivenApp) -> DrivenApp:
    backend.person.traits = lively()
    await chat.pilot.press("f2")
    await chat.shows(PersonaScreen, 5)
    return chat


async def test_five_bars_tell_what_is_known_and_what_is_not(persona: DrivenApp) -> None:
    shown = persona.picture
    assert "high, 62% likely" in shown
    assert "not yet known; leaning high" in shown
    assert "↗ rising" in shown
    assert "+ “I plan every week on Sunday evening”" in shown
    assert "− “my desk is a mess, and I like it”" in shown
    assert "2026-01-05" in shown


async def test_a_trait_is_corrected_with_ones_own_word(backend: ScriptedBackend, persona: DrivenApp) -> None:
    await persona.pilot.press("enter")
    await persona.shows(ChooseScreen, 3)
    await persona.pilot.press("down", "down", "enter")
    await persona.until(lambda: backend.person.trait("openness").level == "high", "the correction")
    await persona.until(lambda: "your own word" in persona.picture, "the page")


async def test_leaving_the_question_changes_nothing(backend: ScriptedBackend, persona: DrivenApp) -> None:
    await persona.pilot.press("enter")
    await persona.shows(ChooseScreen, 3)
    await persona.pilot.press("escape")
    await persona.shows(PersonaScreen, 5)
    assert backend.person.trait("openness").level is None


async def test_a_trait_is_frozen_and_moves_again(backend: ScriptedBackend, persona: DrivenApp) -> None:
    await persona.pilot.press("f")
    await persona.until(lambda: backend.person.trait("openness").frozen, "the freezing")
    await persona.until(lambda: "❄ frozen" in persona.picture, "the page")
    await persona.pilot.press("f")
    await persona.until(lambda: not backend.person.trait("openness").frozen, "the thaw")


async def test_a_trait_is_deleted_after_asking(backend: ScriptedBackend, persona: DrivenApp) -> None:
    await persona.pilot.press("down", "f8")
    await persona.shows(ConfirmScreen)
    assert "conscientiousness" in persona.line("#question")
    await persona.pilot.press("y")
    await persona.until(lambda: backend.person.trait("conscientiousness").evidence_count == 0, "the deletion")
    assert backend.person.trait("neuroticism").level == "low"


async def test_all_is_deleted_from_the_palette(backend: ScriptedBackend, persona: DrivenApp) -> None:
    await persona.app.screen.run_action("forget_all")
    await persona.shows(ConfirmScreen)
    await persona.pilot.press("y")
    await persona.until(lambda: all(trait.evidence_count == 0 for trait in backend.person.traits), "the deletion")


async def test_it_is_turned_off_and_on(backend: ScriptedBackend, persona: DrivenApp) -> None:
    await persona.pilot.press("o")
    await persona.until(lambda: "turned off" in persona.line("#count"), "off")
    assert not backend.person.settings.persona
    await persona.pilot.press("o")
    await persona.until(lambda: "uncertainty" in persona.line("#count"), "on")
    assert backend.person.settings.persona


async def test_a_questionnaire_is_answered_with_numbers(backend: ScriptedBackend, persona: DrivenApp) -> None:
    await persona.pilot.press("a")
    await persona.shows(ChooseScreen, 2)
    await persona.pilot.press("enter")
    await persona.until(lambda: "thing number 1." in persona.line("#statement"), "the first statement")
    await persona.pilot.press("5", "left", "4")
    assert "2 of 20" in persona.line("#place")
    await persona.pilot.press(*["3"] * 19)
    await persona.until(lambda: bool(backend.person.handed_in), "the answers")
    assert backend.person.handed_in == [{"q1": 4, **{f"q{n}": 3 for n in range(2, 21)}}]
    await persona.shows(PersonaScreen, 5)
    await persona.until(lambda: "your answers to a questionnaire" in persona.picture, "the page")


async def test_leaving_a_questionnaire_keeps_nothing(backend: ScriptedBackend, persona: DrivenApp) -> None:
    await persona.pilot.press("a")
    await persona.shows(ChooseScreen, 2)
    await persona.pilot.press("enter")
    await persona.shows(QuestionnaireScreen)
    await persona.pilot.press("5", "escape")
    await persona.shows(PersonaScreen, 5)
    assert backend.person.handed_in == []


@given(mean=st.floats(0, 100), half=st.floats(0, 60), width=st.integers(2, 80))
def test_a_bar_has_its_width_and_one_mean_on_it(mean: float, half: float, width: int) -> None:
    drawn = traits.bar(mean, (mean - half, mean + half), width)
    assert len(drawn) == width
    assert drawn.count("●") == 1


def test_of_an_unknown_trait_nothing_is_claimed() -> None:
    nothing = unknown("openness")
    assert traits.standing(nothing) == "not yet known"
    assert traits.trend(nothing) == ""
    assert traits.basis(nothing) == "from nothing yet"
