"""`attune-train grpo` with the real verl on the CPU: cut off in the middle, started again, done; stopped by rule."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from assistant.rollout.description import spec_of_directory
from tests.fakes.examples import example
from tests.fakes.judging import DIMENSIONS, grading, ruler
from tests.fakes.scripted_server import ScriptedServer
from training.grpo import newest_checkpoint
from training.grpo_config import load_grpo_config
from training.personaemp.dataset import Writer
from training.personaemp.identity import Identity
from training.personaemp.manifest import BuildInfo
from training.personaemp.split import SplitRule
from training.steps import read_steps
from training.tiny import make_tiny_qwen3

pytestmark = [pytest.mark.verl, pytest.mark.slow, pytest.mark.timeout(900)]

SMOKE = Path(__file__).parents[2] / "configs/grpo-smoke.yaml"


def prepare(work: Path, base_url: str, **stop: object) -> Path:
    """Write a data set with rulers, a tiny model, a judge's file, and the smoke run's configuration over them."""
    with Writer.open(work / "data", Identity("set_smoke", "00" * 32, datetime(2026, 1, 1, tzinfo=UTC))) as writer:
        for number in range(24):
            one = example(f"person_{number:02}")
            pools = {name: tuple(ruler(name, n) for n in range(4)) for name in DIMENSIONS}
            writer.add(replace(one, criteria=pools))
        writer.finish(SplitRule(ood=False), BuildInfo())
    (work / "judge.toml").write_text(
        f"rounds = 2\n[endpoint]\nmodel = 'scripted'\nbase_url = '{base_url}'\nretries = 0\n"
        f"[limits]\nslots_dir = '{work / 'slots'}'\n",
        encoding="utf-8",
    )
    run = load_grpo_config(SMOKE).model_dump(mode="json")
    run["attune"] |= {
        "data": str(work / "data"),
        "judge": str(work / "judge.toml"),
        "out": str(work / "out"),
        "accept_failed_judge": True,
        "environment": str(Path(".venv-train").absolute()),
        "stop": stop,
    }
    run["verl"]["actor_rollout_ref"]["model"]["path"] = str(make_tiny_qwen3(work / "model"))
    # Ray's sockets need a short path.
    run["verl"]["ray_kwargs"] = {"ray_init": {"_temp_dir": tempfile.mkdtemp(prefix="ray-")}}
    path = work / "run.yaml"
    path.write_text(yaml.safe_dump(run), encoding="utf-8")
    return path


async def started(config: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "training.cli", "grpo", "--config", str(config)],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )


async def test_a_run_that_was_killed_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    good = grading(lambda text, _: 0.2 + 0.8 * (zlib.crc32(text.encode()) % 97) / 97)
    out = tmp_path / "out"
    async with ScriptedServer(default=good) as server:
        config = prepare(tmp_path, server.base_url)
        first = await started(config)
        while not read_steps(out):
            assert first.returncode is None, (await first.communicate())[0].decode()[-3000:]
            await asyncio.sleep(0.2)
        kill_all(first.pid, out)
        await first.wait()
        again = await started(config)
        said = (await again.communicate())[0].decode()
    assert again.returncode == 0, said[-3000:] + (out / "verl.log").read_text(errors="replace")[-3000:]
    steps = read_steps(out)
    assert [step.number for step in steps] == [1, 2]
    assert "step 2/2: reward" in said
    assert (newest_checkpoint(out) or tmp_path).name == "global_step_2"
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert list((out / "tensorboard").rglob("events*"))
    assert steps[-1].get("judge/resonation/mean") is not None
    weights = out / "checkpoints/global_step_2/actor/huggingface"
    spec = spec_of_directory(weights, version="smoke", replica="http://127.0.0.1:9/v1")
    assert (spec.kind, spec.preset, spec.lineage.run) == ("full", "paper", str(out))


async def test_rewards_that_are_all_equal_end_the_run_with_a_sentence(tmp_path: Path) -> None:
    async with ScriptedServer(default=grading(lambda *_: 0.5)) as server:
        run = await started(prepare(tmp_path, server.base_url, patience=1))
        said = (await run.communicate())[0].decode()
    assert run.returncode == 1
    assert "all rewards were equal" in said
    assert "Newest checkpoint" in said


def kill_all(pid: int, out: Path) -> None:
    """Kill the command and, as the power going would, everything that verl and Ray started for it."""
    marked = str(out.parent)
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with contextlib.suppress(OSError):
                if marked in (process / "environ").read_bytes().decode(errors="replace") + (
                    process / "cmdline"
                ).read_bytes().decode(errors="replace"):
                    os.kill(int(process.name), signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
