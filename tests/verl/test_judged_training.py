"""The real verl on the CPU, two GRPO steps of a tiny random model, judged over real HTTP by a scripted judge."""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
import zlib
from pathlib import Path

import pytest

from tests.fakes.judging import dimension_in, example, grading, reply_in
from tests.fakes.scripted_answers import Scripted, error
from tests.fakes.scripted_server import Recorded, ScriptedServer
from training.child import Child, child
from training.cpu.settings import CPU_SETTINGS, cpu_environment
from training.prove import CHECKOUT, TRAIN_PYTHON, read_step, settings
from training.tiny import make_tiny_qwen3

pytestmark = [pytest.mark.verl, pytest.mark.slow, pytest.mark.timeout(900)]

JUDGED = (
    "reward.custom_reward_function.path=pkg://training.reward",
    "reward.reward_manager.source=importlib",
    "reward.reward_manager.name=StepRewardManager",
    "reward.reward_manager.module.path=pkg://training.verl_manager",
    "trainer.v1.sampler.custom_sampler.path=pkg://training.verl_sampler",
    "trainer.v1.sampler.custom_sampler.name=ScoredReplayBuffer",
    # More workers than one, so that the bound on calls is kept across processes.
    "reward.num_workers=2",
    f"actor_rollout_ref.rollout.n={(ROLLOUTS := 4)}",
)
STEPS, PROMPTS = 2, 4


def write_rows(path: Path) -> Path:
    rows = [example(id=f"e{n}", rulers=8).row(n) for n in range(8)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_judge(path: Path, base_url: str, max_unscored: float) -> Path:
    path.write_text(
        f"[endpoint]\nbase_url = '{base_url}'\nmodel = 'scripted'\nretries = 0\n"
        f"[limits]\nmax_unscored = {max_unscored}\nconcurrency = 3\nslots_dir = '{path.parent / 'slots'}'\n",
        encoding="utf-8",
    )
    return path


def train(work: Path, base_url: str, max_unscored: float) -> tuple[int, str]:
    """Run verl to its end; return its status and its log."""
    judge = write_judge(work / "judge.toml", base_url, max_unscored)
    kept = settings(make_tiny_qwen3(work / "model"), write_rows(work / "rows.jsonl"), work)
    # Ray's sockets need a short path.
    judged = (*JUDGED, f"+ray_kwargs.ray_init._temp_dir={tempfile.mkdtemp(prefix='ray-')}")
    own = {one.lstrip("+").partition("=")[0] for one in judged}
    command = [one for one in (*kept, *CPU_SETTINGS) if one.lstrip("+").partition("=")[0] not in own]
    command += [
        *judged,
        f"+reward.custom_reward_function.reward_kwargs.judge_config={judge}",
        f"+trainer.v1.sampler.sampler_kwargs.judge_config={judge}",
        "data.max_prompt_length=256",
    ]
    command = [one for one in command if one != "data.max_prompt_length=128"]
    environment = cpu_environment(CHECKOUT)
    run = [str(TRAIN_PYTHON), "-m", "verl.trainer.main_ppo", *command]
    with child("verl", run, log=work / "verl.log", environment=environment, cwd=work) as verl:
        status = _wait(verl)
    return status, (work / "verl.log").read_text(encoding="utf-8", errors="replace")


def _wait(verl: Child) -> int:
    return verl.process.wait(timeout=850)


def is_failing(text: str) -> bool:
    """For about a fifth of all replies the judge is out of order."""
    return zlib.crc32(text.encode()) % 5 == 0


async def test_verl_trains_on_what_was_judged_and_counts_what_was_not(tmp_path: Path) -> None:
    good = grading(lambda text, _: 0.2 + 0.8 * (zlib.crc32(text.encode()) % 97) / 97)
    most = 0

    def say(request: Recorded) -> Scripted:
        nonlocal most
        most = max(most, sum(not one.finished.is_set() for one in server.chats[-64:]))
        return error(503) if is_failing(reply_in(request.json)) else good(request)

    async with ScriptedServer(default=say) as server:
        status, log = await asyncio.to_thread(train, tmp_path, server.base_url, 0.9)
    assert status == 0, log[-4000:]
    steps = [read_step(log, number) for number in range(1, STEPS + 1)]
    asked = [request for request in server.chats if dimension_in(request.json) == "bystander"]
    failed = [request for request in asked if is_failing(reply_in(request.json))]
    assert sum(step["judge/rollouts_total"] for step in steps) == len(asked) == STEPS * PROMPTS * ROLLOUTS
    assert sum(step["judge/unscored_total"] for step in steps) == len(failed) > 0
    for step in steps:
        # Nothing unscored is left in verl's own figures, and the policy moved.
        assert math.isfinite(step["critic/score/mean"])
        assert step["critic/score/mean"] == pytest.approx(step["judge/score/mean"], abs=1e-4)
        assert step["actor/grad_norm"] > 0
    assert most <= 3
    rulers = {str(request.json["messages"][1]["content"]).partition("reply: ")[0] for request in server.chats}
    assert len(rulers) > 1


async def test_a_run_whose_judge_is_gone_stops_and_says_why(tmp_path: Path) -> None:
    async with ScriptedServer(default=error(503)) as server:
        status, log = await asyncio.to_thread(train, tmp_path, server.base_url, 0.2)
    assert status != 0
    assert "rollouts are unscored" in log
    assert "is unscored (unreachable)" in log
    assert not list((tmp_path / "checkpoints").glob("global_step_*"))
