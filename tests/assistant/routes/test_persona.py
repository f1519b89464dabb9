from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memory.persona.levels import UPPER
from memory.types import Evidence, NewTraitEvidence, Trait
from tests.fakes.backend import Backend
from tests.fakes.scripted_model import ScriptedModel

WORDS = [
    "I worry about everything and I can't stop.",
    "I panic easily and I feel anxious all day.",
    "I am so stressed and nervous about tomorrow.",
]


async def seen(backend: Backend, trait: str = "neuroticism") -> dict[str, Any]:
    """One trait as the person sees it, after everything queued was reflected on."""
    assert await backend.runtime.worker.drain(240)
    traits = (await backend.client.get("/v1/me/persona")).json()["traits"]
    return next(dict(one) for one in traits if one["trait"] == trait)


async def change(backend: Backend, **body: Any) -> dict[str, Any]:
    answer = await backend.client.patch("/v1/me/persona", json=body)
    assert answer.status_code == 200, answer.text
    return next(one for one in answer.json()["traits"] if one["trait"] == body["trait"])


async def talk(backend: Backend) -> str:
    """Say what shows a tense person, and return the conversation."""
    conversation = await backend.conversation()
    for text in WORDS:
        await backend.say(conversation, text)
    return conversation


async def plan_of(backend: Backend, text: str = "My boss yelled at me today") -> dict[str, Any]:
    answer = await backend.say(await backend.conversation(), text)
    return dict(answer.json()["context"]["plan"])


async def test_of_nobody_nothing_is_known(backend: Backend) -> None:
    view = (await backend.client.get("/v1/me/persona")).json()
    assert view["enabled"]
    assert [one["trait"] for one in view["traits"]] == [trait.value for trait in Trait]
    for one in view["traits"]:
        assert (one["mean"], one["sd"], one["level"], one["label"]) == (50, 10, None, "not yet known")
        assert one["interval"] == [pytest.approx(37.2), pytest.approx(62.8)]
        assert (one["source"], one["evidence_count"], one["quotes"], one["history"]) == ("nothing", 0, [], [])


async def test_what_was_said_moves_a_trait_and_is_quoted(backend: Backend) -> None:
    conversation = await talk(backend)
    found = await seen(backend)
    assert found["mean"] > 50
    assert found["source"] == "conversations"
    assert found["evidence_count"] >= 2
    assert found["quotes"][0]["direction"] == 1
    assert found["quotes"][0]["conversation_id"] == conversation
    assert any(found["quotes"][0]["quote"] in text for text in WORDS)
    assert found["history"][-1]["mean"] == found["mean"]


async def test_forgetting_the_conversation_moves_the_estimate_back(backend: Backend) -> None:
    conversation = await talk(backend)
    assert (await seen(backend))["mean"] > 50
    await backend.runtime.ledger.conversations.delete(backend.runtime.owner.id, conversation)
    found = await seen(backend)
    assert (found["mean"], found["quotes"], found["history"]) == (50, [], [])


async def test_forgetting_one_message_moves_the_estimate_back_a_little(backend: Backend) -> None:
    await talk(backend)
    before = await seen(backend)
    message = before["quotes"][0]["message_id"]
    assert await backend.runtime.ledger.traits.delete_for_message(backend.runtime.owner.id, message)
    after = await seen(backend)
    assert 50 <= after["mean"] < before["mean"]
    assert after["evidence_count"] < before["evidence_count"]
    assert message not in {one["message_id"] for one in after["quotes"]}


async def test_a_correction_outweighs_what_was_inferred(backend: Backend) -> None:
    await talk(backend)
    found = await change(backend, trait="neuroticism", level="low")
    assert (found["level"], found["label"], found["source"]) == ("low", "low", "correction")
    assert found["mean"] == pytest.approx(41, abs=1)
    assert found["sd"] < 3
    again = await change(backend, trait="neuroticism", t_score=65)
    assert again["level"] == "high"
    assert again["mean"] == pytest.approx(64, abs=1)
    assert (await seen(backend, "openness"))["source"] != "correction"


async def test_a_correction_shows_in_the_next_plan(backend: Backend) -> None:
    before = await plan_of(backend)
    await change(backend, trait="agreeableness", level="low")
    after = await plan_of(backend)
    assert after["directness"] > before["directness"]
    assert "plain-spoken" in after["tone"]


async def test_a_frozen_trait_learns_nothing_and_an_unfrozen_one_all_of_it(backend: Backend) -> None:
    await talk(backend)
    await seen(backend)
    before = await change(backend, trait="neuroticism", frozen=True)
    assert before["frozen"]
    assert before["frozen_at"] is not None
    await talk(backend)
    still = await seen(backend)
    assert (still["mean"], still["evidence_count"]) == (before["mean"], before["evidence_count"])
    moving = await change(backend, trait="neuroticism", frozen=False)
    assert not moving["frozen"]
    assert moving["evidence_count"] > before["evidence_count"]


async def test_the_plan_follows_a_frozen_trait(backend: Backend) -> None:
    person, runtime = backend.runtime.owner.id, backend.runtime
    await change(backend, trait="neuroticism", frozen=True)
    conversation = await runtime.ledger.conversations.create(person)
    said = await runtime.ledger.messages.append(person, conversation.id, "user", "I worry")
    later = datetime.now(UTC) + timedelta(minutes=1)
    for place in range(20):
        observed = NewTraitEvidence(
            Trait.NEUROTICISM, 1, 1.0, Evidence(said.message.id, f"I worry {place}"), later, source="model"
        )
        await runtime.ledger.traits.add(person, conversation.id, observed)
    frozen = await plan_of(backend)
    await change(backend, trait="neuroticism", frozen=False)
    assert (await plan_of(backend))["warmth"] > frozen["warmth"]


async def test_freezing_twice_keeps_the_first_time(backend: Backend) -> None:
    first = await change(backend, trait="openness", frozen=True)
    assert (await change(backend, trait="openness", frozen=True))["frozen_at"] == first["frozen_at"]


async def test_a_deleted_trait_is_not_learnt_again_from_the_same_messages(backend: Backend) -> None:
    conversation = await talk(backend)
    person, runtime = backend.runtime.owner.id, backend.runtime
    assert (await seen(backend))["evidence_count"] > 0
    receipt = (await backend.client.delete("/v1/me/persona", params={"trait": "neuroticism"})).json()
    assert receipt["traits"] == ["neuroticism"]
    assert receipt["withdrawn"] > 0
    ids = [one["id"] for one in await backend.messages(conversation)]
    await runtime.ledger.jobs.enqueue(person, "reflect", {"conversation_id": conversation, "message_ids": ids})
    runtime.worker.notify()
    assert (await seen(backend))["evidence_count"] == 0
    await talk(backend)
    assert (await seen(backend))["evidence_count"] > 0


async def test_deleting_everything_takes_corrections_and_questionnaires_along(backend: Backend) -> None:
    await change(backend, trait="openness", level="high")
    receipt = (await backend.client.delete("/v1/me/persona")).json()
    assert (len(receipt["traits"]), receipt["withdrawn"]) == (5, 1)
    assert (await seen(backend, "openness"))["mean"] == 50


async def answers(backend: Backend, items: int, level: int) -> dict[str, int]:
    asked = (await backend.client.get("/v1/me/persona/questionnaire", params={"items": items})).json()
    assert len(asked["questions"]) == items
    assert len(asked["scale"]) == 5
    return {question["id"]: level for question in asked["questions"]}


@pytest.mark.parametrize(("items", "source_sd"), [(20, 5.7), (50, 4.2)])
async def test_a_questionnaire_sets_the_estimate_by_its_reliability(
    backend: Backend, items: int, source_sd: float
) -> None:
    given = await answers(backend, items, 3)
    given |= {"q1": 5, "q6": 1, "q11": 5, "q16": 1, "q31": 5} if items == 50 else {"q1": 5, "q6": 1, "q31": 5, "q16": 1}
    answer = await backend.client.post("/v1/me/persona/questionnaire", params={"items": items}, json={"answers": given})
    assert answer.status_code == 200, answer.text
    traits = {one["trait"]: one for one in answer.json()["traits"]}
    assert traits["extraversion"]["source"] == "questionnaire"
    assert traits["extraversion"]["level"] == "high"
    assert traits["extraversion"]["mean"] > UPPER
    assert traits["neuroticism"]["sd"] == pytest.approx(source_sd, abs=0.2)
    assert traits["extraversion"]["quotes"] == []


async def test_a_newer_questionnaire_replaces_the_older_and_a_correction_both(backend: Backend) -> None:
    for level in (5, 3):
        given = await answers(backend, 20, level)
        await backend.client.post("/v1/me/persona/questionnaire", json={"answers": given})
    once = await seen(backend)
    assert once["evidence_count"] == 1
    assert (await change(backend, trait="neuroticism", level="low"))["level"] == "low"


@pytest.mark.parametrize("answers", [{}, {"q1": 3}, {"q1": 9}, {"nonsense": 3}])
async def test_answers_that_do_not_fit_are_refused(backend: Backend, answers: dict[str, int]) -> None:
    answer = await backend.client.post("/v1/me/persona/questionnaire", json={"answers": answers})
    assert answer.status_code == 422
    assert (await seen(backend))["evidence_count"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"trait": "neuroticism"},
        {"trait": "luck", "level": "high"},
        {"trait": "openness", "level": "very"},
        {"trait": "openness", "t_score": 99},
        {"trait": "openness", "level": "low", "t_score": 40},
    ],
)
async def test_a_change_that_says_nothing_clear_is_refused(backend: Backend, body: dict[str, Any]) -> None:
    assert (await backend.client.patch("/v1/me/persona", json=body)).status_code == 422


async def test_turned_off_nothing_is_learnt_used_or_told(backend: Backend, model: ScriptedModel) -> None:
    await change(backend, trait="agreeableness", level="low")
    await backend.runtime.ledger.settings.update(backend.runtime.owner.id, persona=False)
    view = (await backend.client.get("/v1/me/persona")).json()
    assert not view["enabled"]
    assert "plain-spoken" not in (await plan_of(backend))["tone"]
    await talk(backend)
    assert (await seen(backend))["evidence_count"] == 0
    refused = await backend.client.patch("/v1/me/persona", json={"trait": "openness", "level": "high"})
    assert refused.status_code == 409
    given = await answers(backend, 20, 3)
    posted = await backend.client.post("/v1/me/persona/questionnaire", json={"answers": given})
    assert posted.status_code == 409
    assert (await backend.client.delete("/v1/me/persona")).json()["withdrawn"] == 1


async def test_nobody_sees_it_without_a_key(backend: Backend) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/questionnaire")):
        answer = await backend.client.request(method, f"/v1/me/persona{path}", headers={"authorization": ""})
        assert answer.status_code == 401


async def test_an_unknown_person_is_asked_about_themselves_once_and_late(backend: Backend) -> None:
    conversation = await backend.conversation()
    asked = []
    for place in range(6):
        said = await backend.say(conversation, f"We went hiking on route {place} and had pasta afterwards.")
        asked.append(said.json()["context"]["plan"]["asks_about"])
    assert asked == [None, None, None, "neuroticism", None, None]
