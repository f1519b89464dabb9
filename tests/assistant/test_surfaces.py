"""The same level and the same card on every surface: 200 mixed messages, each as the first of a conversation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.safety.resources import card_text
from assistant.wire import ResourceCard
from tests.fakes.backend import Backend

LINES = Path(__file__).parents[1] / "data" / "safety_lines.jsonl"
TURNS = 200


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_native_and_openai_screen_alike_and_show_the_same_card(backend: Backend) -> None:
    lines = [json.loads(line)["text"] for line in LINES.read_text(encoding="utf-8").splitlines()]
    texts = lines[:: len(lines) // TURNS][:TURNS]
    assert len(texts) == TURNS
    owner, cards = backend.runtime.owner.id, 0
    for text in texts:
        native = (await backend.say(await backend.conversation(), text)).json()
        level, shown = "none", None
        if native["safety"] is not None:
            level, shown = native["safety"]["level"], native["safety"]["resources"]
        body = {"model": "attune", "messages": [{"role": "user", "content": text}]}
        other = (await backend.client.post("/v1/chat/completions", json=body)).json()
        listed = await backend.messages(other["metadata"]["conversation_id"])
        stored = await backend.runtime.ledger.messages.get(owner, listed[0]["id"])
        said = other["choices"][0]["message"]["content"]
        assert stored.crisis_level == level, text
        assert ("findahelpline" in said or "\n- " in said) == (shown is not None), text
        if shown is not None:
            cards += 1
            assert said.endswith(card_text(ResourceCard.model_validate(shown)).splitlines()[-1]), text
    assert cards >= 20
