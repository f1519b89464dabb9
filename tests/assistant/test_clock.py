"""The clock jumps by days in both directions during a conversation: order, sameness, notices and retention hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from assistant import wire
from memory.retention import Retention
from tests.fakes.backend import running
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_model import ScriptedModel

JUMPS = (0, 3, -4, 5, -1, 0)
"""Days that the clock is off, message by message."""


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.start = datetime.now(UTC)
        self.off = timedelta(0)

    def __call__(self) -> datetime:
        """The time, as far as anybody knows."""
        return self.start + self.off


async def test_a_conversation_goes_on_in_its_order_whatever_the_clock_does(tmp_path: Path) -> None:
    await shared_embedder().ready()
    clock = Clock()
    model = ScriptedModel()
    server = {"messages_per_minute": 50, "duplicate_window_s": 600}
    async with running(tmp_path, policy=model, embedder=shared_embedder(), now=clock, server=server) as backend:
        await backend.as_somebody_else()
        assert (await backend.client.patch("/v1/me/settings", json={"retention_days": 30})).is_success
        conversation, codes = await backend.conversation(), []
        for number, days in enumerate(JUMPS):
            clock.off = timedelta(days=days, minutes=number)
            events = [event async for event in backend.stream(conversation, f"This is message {number}.")]
            assert events[-1].type == "message.completed"
            codes += [event.code for event in events if isinstance(event, wire.Notice)]
            again = await backend.say(conversation, f"This is message {number}.")
            assert again.json()["message"]["id"] == events[-1].message.id, "sameness goes by another clock"
        said = [m["text"] for m in await backend.messages(conversation) if m["role"] == "user"]
        assert said == [f"This is message {number}." for number in range(len(JUMPS))]
        assert [m["content"] for m in model.prompts[-1].messages if m["role"] == "user"][:-1] == said[:-1]
        assert "reminder" not in codes, "no jump is hours of use"
        assert await Retention(backend.runtime.ledger).sweep() == 0, "nothing here is thirty days old"
        [listed] = (await backend.client.get("/v1/conversations")).json()["data"]
        assert listed["id"] == conversation
