"""The same restart with a real vLLM server as the policy: the prompt carries the right fact, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.config import ModelConfig
from tests.fakes.remembering import tell_restart_and_write_again

pytestmark = pytest.mark.vllm


@pytest.mark.timeout(400)
async def test_after_a_restart_the_right_fact_is_in_the_prompt_and_no_other(
    tmp_path: Path, config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTUNE_POLICY__BASE_URL", str(config.base_url))
    monkeypatch.setenv("ATTUNE_POLICY__CONTEXT_TOKENS", str(config.context_tokens))
    monkeypatch.setenv("ATTUNE_POLICY__MAX_TOKENS", "8")
    missed, later = await tell_restart_and_write_again(tmp_path, lambda: None)
    assert len(missed) <= 2, missed
    assert all(one.text for one in later)
    assert sum(one.right in one.recalled for one in later if one.right is not None) >= 30
    assert [one.message for one in later if one.right is None and one.recalled] == []
