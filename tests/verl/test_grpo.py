"""`attune-train grpo` with the real verl on the CPU: cut off in the middle, started again, done; stopped by rule."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.rollout.description import spec_of_directory
from tests.fakes.examples import example
from tests.fakes.judging import DIMENSIONS, grading, ruler
from tests.fakes.scripted_server import ScriptedServer
from tests.fakes.smoke_run import write_data, write_judge, write_run
from training.grpo import newest_checkpoint
from training.steps import read_steps

pytestmark = [pytest.mark.verl, pytest.mark.slow, pytest.mark.timeout(900)]


def prepare(work: Path, base_url: str, **stop: object) -> Path:
    """Write a data set with rulers, a tiny model, a judge's file, and the smoke run's configuration over them."""
    pools = {name: tuple(ruler(name, n) for n in range(4)) for name in DIMENSIONS}
    data = write_data(work / "data", (replace(example(f"person_{n:02}"), criteria=pools) for n in range(24)))
    return write_run(work, data, write_judge(work, base_url, "rounds = 2\n"), {}, stop=stop)


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
