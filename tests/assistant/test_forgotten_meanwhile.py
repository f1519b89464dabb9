"""What is forgotten between being recalled and being spoken from is not spoken from."""

from __future__ import annotations

import asyncio
from pathlib import Path

from assistant import wire
from tests.fakes.backend import running
from tests.fakes.embedding import shared_embedder
from tests.fakes.gate import Gate
from tests.fakes.scripted_model import ScriptedModel


async def test_a_fact_that_is_forgotten_while_a_message_waits_in_line_is_not_in_its_prompt(tmp_path: Path) -> None:
    model, gate = ScriptedModel(), Gate()
    await shared_embedder().ready()
    server, memory = {"replies_at_once": 1}, {"recall": {"deadline_ms": 60_000}}
    async with running(tmp_path, policy=model, embedder=shared_embedder(), server=server, memory=memory) as backend:
        added = await backend.client.post("/v1/me/memories", json={"text": "My dog Biscuit has a bad hip."})
        fact = added.raise_for_status().json()["id"]
        model.replies.append(["Wait", gate, "."])
        first = asyncio.create_task(backend.say(await backend.conversation(), "Good morning."))
        await gate.reached.wait()
        async for event in backend.stream(await backend.conversation(), "How is my dog Biscuit?"):
            if isinstance(event, wire.ContextUsed):
                assert event.fact_ids == [fact]
                (await backend.client.delete(f"/v1/me/memories/{fact}")).raise_for_status()
                gate.open()
        assert isinstance(event, wire.MessageCompleted)
        assert "bad hip" not in str(model.prompts[-1].messages)
        why = (await backend.client.get(f"/v1/messages/{event.message.id}/why")).raise_for_status().json()
        assert why["facts"] == []
        assert (await first).status_code == 200
