from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.scripted_backend import Refusal, ScriptedBackend
from tui.backend import Launch
from tui.errors import TerminalError
from tui.tour import tour


async def test_the_tour_draws_a_conversation_and_the_pages_about_it(
    backend: ScriptedBackend, launch: Launch, tmp_path: Path
) -> None:
    backend.remember("Maya works as a nurse in Bergen.", "I work as a nurse in Bergen")
    backend.remember("Maya has a dog called Biscuit.", "My dog is called Biscuit")
    chat, why, persona, memories = await tour(launch, tmp_path / "pictures")
    assert "calm" in chat.read_text(encoding="utf-8")
    assert "Biscuit" in memories.read_text(encoding="utf-8")
    assert "scripted" in why.read_text(encoding="utf-8")
    assert "Conscientiousness" in persona.read_text(encoding="utf-8")
    assert len(backend.sent) == 3


async def test_a_tour_without_replies_is_no_picture(backend: ScriptedBackend, launch: Launch, tmp_path: Path) -> None:
    backend.refusals.append(Refusal(503, "model_unavailable", "the model does not answer"))
    with pytest.raises(TerminalError, match="no reply"):
        await tour(launch, tmp_path / "pictures")
