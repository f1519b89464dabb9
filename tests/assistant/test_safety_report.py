"""The yearly report, and what reminds people that they talk with an AI."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from assistant import wire
from assistant.errors import ModelUnreachableError
from assistant.safety_report import lines_of
from tests.fakes.backend import running
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_model import ScriptedModel

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


async def test_a_year_is_counted_without_a_person_or_a_word(tmp_path: Path, model: ScriptedModel) -> None:
    async with running(tmp_path, policy=model, embedder=shared_embedder(), now=Clock()) as backend:
        conversation = await backend.conversation()
        await backend.say(conversation, "I want to kill myself tonight, I have the pills here")
        model.replies.append(ModelUnreachableError("down"))
        await backend.say(conversation, "I have the pills in my hand and I want to die now")
        await backend.client.delete("/v1/me")
        report = await backend.client.get("/v1/admin/safety/report", params={"year": 2026})
        body = report.json()
        assert body["messages_screened"]["imminent"] == 2
        assert body["cards_shown"] == {"concern": 0, "high": 0, "imminent": 1}
        assert body["replies_replaced"]["imminent"] == 1
        assert datetime.fromisoformat(body["resources_checked"])
        assert "pills" not in report.text
        other = (await backend.client.get("/v1/admin/safety/report", params={"year": 2025})).json()
        assert other["cards_shown"] == {"concern": 0, "high": 0, "imminent": 0}
    assert "Times crisis lines were shown: 1" in lines_of(wire.SafetyReport.model_validate(body))


async def test_after_three_hours_of_use_a_reminder_comes_once(tmp_path: Path, model: ScriptedModel) -> None:
    clock, told = Clock(), []
    async with running(tmp_path, policy=model, embedder=shared_embedder(), now=clock) as backend:
        for minutes in (0, 50, 100, 150, 200, 230, 300):
            clock.now = NOON + timedelta(minutes=minutes)
            reply = (await backend.say(await backend.conversation(), f"It is {minutes} now.")).json()
            assert any("AI" in notice for notice in reply["notices"]), "a new conversation says it too"
            told += [minutes for notice in reply["notices"] if "for 3 hours" in notice]
        clock.now = NOON
        assert (await backend.say(await backend.conversation(), "The clock was set back.")).status_code == 200
    assert told == [200]
