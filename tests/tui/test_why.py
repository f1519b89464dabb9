"""Why a reply was said, and correcting it there."""

from __future__ import annotations

import pytest

from assistant import wire
from tests.fakes.driven_app import DrivenApp
from tests.fakes.scripted_backend import ScriptedBackend
from tui import reasons
from tui.screens.ask import AskScreen, ChooseScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.why import WhyScreen

PLAN = {
    "category": "emotional_support",
    "strategies": ["reflection_of_feelings", "question"],
    "tone": "warm",
    "because": ["the message names a feeling"],
}


@pytest.fixture
async def why(backend: ScriptedBackend, chat: DrivenApp) -> DrivenApp:
    fact = backend.remember("Ada has a dog called Biscuit.", "my dog Biscuit")
    backend.say("How is Biscuit?")
    backend.reasons["How is Biscuit?"] = wire.Why(
        message_id="",
        recorded=True,
        policy_version="tuned-3",
        facts=[wire.FactUsed(id=fact.id, text=fact.text, status="active", evidence=fact.evidence)],
        forgotten=["fact_gone"],
        persona=wire.PersonaUsed(version="p1", current=True, traits={"openness": 55.0, "neuroticism": 44.0}),
        plan=PLAN,
        timings={"recall": 12.0},
    )
    await chat.say("guess")
    await chat.pilot.press("f7")
    await chat.shows(WhyScreen, 3)
    return chat


async def test_it_tells_facts_traits_plan_and_policy(why: DrivenApp) -> None:
    shown = why.picture
    for words in (
        "Answered by tuned-3.",
        "Ada has a dog called Biscuit.",
        "“my dog Biscuit”",
        "1 that it used was forgotten since.",
        "Neuroticism",
        "helping skills, in order: reflection of feelings, question",
        "because the message names a feeling",
    ):
        assert words in shown


async def test_a_fact_is_corrected_where_it_stands(backend: ScriptedBackend, why: DrivenApp) -> None:
    await why.pilot.press("enter")
    await why.shows(AskScreen)
    await why.pilot.press(*["backspace"] * 8, *"Rye.", "enter")
    await why.until(lambda: "Rye." in " ".join(m.text for m in backend.memories.values()), "the correction")
    await why.until(lambda: "called Rye." in why.picture, "the page")


async def test_a_fact_is_forgotten_where_it_stands(backend: ScriptedBackend, why: DrivenApp) -> None:
    await why.pilot.press("f8")
    await why.shows(ConfirmScreen)
    await why.pilot.press("y")
    await why.until(lambda: not backend.memories, "the forgetting")


async def test_a_trait_is_corrected_where_it_stands(backend: ScriptedBackend, why: DrivenApp) -> None:
    await why.pilot.press("down", "enter")
    await why.shows(ChooseScreen, 3)
    await why.pilot.press("enter")
    await why.until(lambda: backend.person.trait("openness").level == "low", "the correction")


async def test_before_any_reply_there_is_nothing_to_explain(chat: DrivenApp) -> None:
    await chat.pilot.press("f7")
    await chat.until(lambda: any("no reply yet" in toast for toast in chat.toasts), "the word")


async def test_any_reply_can_be_asked_about(backend: ScriptedBackend, chat: DrivenApp) -> None:
    await chat.say("one")
    await chat.say("two")
    await chat.pilot.press("alt+up", "up", "up", "w")
    await chat.shows(WhyScreen)
    assert "You said: one" in chat.line("#count")


def test_an_imported_reply_says_that_nothing_is_known() -> None:
    lines = reasons.plain_lines(wire.Why(message_id="m", recorded=False))
    assert lines == ["This reply was imported; nothing is known of how it was made."]


def test_recall_that_failed_is_said() -> None:
    why = wire.Why(message_id="m", recorded=True, policy_version="p", recall="timeout")
    assert "Recall took too long, so nothing remembered was used." in reasons.plain_lines(why)
