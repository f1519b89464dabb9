"""What was said before a restart is used where it fits and left alone where it does not, without a language model."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.models.builtin import Builtin
from tests.fakes.remembering import tell_restart_and_write_again


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_after_a_restart_the_right_fact_is_used_and_no_other(tmp_path: Path) -> None:
    missed, later = await tell_restart_and_write_again(tmp_path, Builtin)
    assert len(missed) <= 2, missed
    related = [one for one in later if one.right is not None]
    used = [one for one in related if one.right in one.recalled and str(one.right).rstrip(".") in one.text]
    assert len(used) >= 30, [one.message for one in related if one not in used]
    unrelated = [one for one in later if one.right is None]
    assert len(unrelated) >= 30
    assert [one.message for one in unrelated if one.recalled] == []
