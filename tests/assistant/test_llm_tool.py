"""`llm` (https://llm.datasette.io), which knows nothing of Attune, with only its base URL and key changed."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.fakes.backend import Backend


@pytest.mark.slow
async def test_a_scripted_conversation_passes(backend: Backend, tmp_path: Path) -> None:
    settings = tmp_path / "llm"
    settings.mkdir()
    model = f"- model_id: attune\n  model_name: attune\n  api_base: {backend.url}/v1\n  api_key_name: attune\n"
    (settings / "extra-openai-models.yaml").write_text(model, encoding="utf-8")
    environment = {**os.environ, "LLM_USER_PATH": str(settings), "LLM_LOAD_PLUGINS": "", "NO_PROXY": "*"}

    async def llm(*words: str) -> str:
        command = [sys.executable, "-m", "llm", *words, "-m", "attune", "--key", backend.key]
        process = await asyncio.create_subprocess_exec(*command, stdin=-3, stdout=-1, stderr=-1, env=environment)
        out, err = await asyncio.wait_for(process.communicate(), 90)
        assert process.returncode == 0, err.decode()
        return out.decode().strip()

    assert await llm("My dog Biscuit has a bad hip.") == "I hear you."
    assert await llm("And it rains.", "--continue") == "I hear you."
    assert await llm("Say it in one piece.", "--no-stream") == "I hear you."
    assert "My dog Biscuit has a bad hip." in [memory["evidence"][0]["quote"] for memory in await backend.memories()]
    conversations = (await backend.client.get("/v1/conversations")).json()["data"]
    assert len(conversations) == 2, "what llm continues goes on in the same conversation"
