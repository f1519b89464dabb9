from __future__ import annotations

import json
import math
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.judging import example, grading, reply_in
from tests.fakes.scripted_answers import Scripted, reply
from tests.fakes.scripted_server import Recorded, ScriptedServer
from training.errors import DatasetError
from training.reward import STEP, close, compute_score

CHECKOUT = Path(__file__).parents[2]
TRAIN_PYTHON = CHECKOUT / ".venv-train/bin/python"


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    yield
    await close()


def judge_file(directory: Path, base_url: str, second: str | None = None) -> str:
    path = directory / "judge.toml"
    path.write_text(
        f"[endpoint]\nbase_url = '{base_url}'\nmodel = 'scripted'\nretries = 0\n"
        f"[limits]\nslots_dir = '{directory / 'slots'}'\n"
        + (f"[check.second]\nbase_url = '{second}'\nmodel = 'scripted'\n" if second else ""),
        encoding="utf-8",
    )
    return str(path)


def row(rulers: int = 8, **changes: Any) -> dict[str, Any]:
    """The extra_info of a row as it comes out of parquet."""
    extra: dict[str, Any] = example(rulers=rulers).row(0)["extra_info"]
    return {**extra, "memory": np.array(extra["memory"], dtype=object), **changes}


async def scored(config: str, text: str, extra_info: dict[str, Any]) -> dict[str, float]:
    return await compute_score(
        data_source="personaemp", solution_str=text, ground_truth="", extra_info=extra_info, judge_config=config
    )


async def test_the_reward_of_a_rollout_is_flat_numbers(tmp_path: Path) -> None:
    async with ScriptedServer(default=grading(lambda *_: 0.8)) as server:
        found = await scored(judge_file(tmp_path, server.base_url), "- rest\n- sleep?", row())
    assert math.isclose(found["score"], 0.8 - 0.5 * 0.2, abs_tol=1e-9)
    assert (found["unscored"], found["judge_calls"], found["style_bullets"], found["style_questions"]) == (0, 4, 2, 1)
    assert all(isinstance(value, float) and math.isfinite(value) for value in found.values())


async def test_a_rollout_that_cannot_be_judged_has_the_same_keys_and_no_score(tmp_path: Path) -> None:
    good = grading(lambda *_: 0.8)

    def say(request: Recorded) -> Scripted:
        return reply("no numbers") if reply_in(request.json) == "bad" else good(request)

    async with ScriptedServer(default=say) as server:
        config = judge_file(tmp_path, server.base_url)
        fine, bad = await scored(config, "fine", row()), await scored(config, "bad", row())
    assert list(fine) == list(bad)
    assert bad["unscored"] == 1 and math.isnan(bad["score"]) and math.isnan(bad["resonation"])


async def test_what_is_validated_is_shown_to_the_second_judge_too(tmp_path: Path) -> None:
    async with (
        ScriptedServer(default=grading(lambda *_: 0.8)) as first,
        ScriptedServer(default=grading(lambda *_: 0.4)) as second,
    ):
        config = judge_file(tmp_path, first.base_url, second.base_url)
        trained, validated = await scored(config, "fine", row()), await scored(config, "fine", row(split="test"))
    assert "second" not in trained
    assert math.isclose(validated["second"], 0.4 - 0.5 * 0.6, abs_tol=1e-9)
    assert {**trained, "judge_seconds": 0} == {
        name: value for name, value in {**validated, "judge_seconds": 0}.items() if name != "second"
    }


async def test_a_step_measures_every_rollout_with_the_same_rulers_and_the_next_with_others(tmp_path: Path) -> None:
    async with ScriptedServer(default=grading(lambda *_: 0.8)) as server:
        config = judge_file(tmp_path, server.base_url)
        for step, text in ((1, "a"), (1, "b"), (2, "c")):
            await scored(config, text, row(**{STEP: step}))
    rulers = [str(request.json["messages"][1]["content"]).partition("reply: ")[0] for request in server.chats]
    assert len(set(rulers[0:3] + rulers[4:7])) == 1
    assert rulers[8] != rulers[0]


async def test_too_few_rulers_stop_the_run_and_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="attune-train criteria"):
        await scored(judge_file(tmp_path, "http://127.0.0.1:1/v1"), "hello", row(rulers=2))


@pytest.mark.verl
def test_in_the_training_environment_the_reward_reaches_no_store_of_memory() -> None:
    banned = ["mem0", "chromadb", "sqlalchemy", "memory.ledger", "memory.index", "verl", "torch"]
    look = f"import json, sys, training.reward; print(json.dumps([n for n in {banned!r} if n in sys.modules]))"
    done = subprocess.run(
        [str(TRAIN_PYTHON), "-c", look], capture_output=True, text=True, check=True, cwd=CHECKOUT, timeout=110
    )
    assert json.loads(done.stdout) == []
