"""kill -9 of a retraining in each of its steps: the same command completes it, and never are two policies live or none.

The commands, the ledger and the backend are the real ones; the models are scripted, and so is verl. What is trained is
full weights: they get a server of their own, and then the pointer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.fakes import road
from tests.fakes.road_server import ScriptedRoad
from tests.fakes.scripted_server import ScriptedServer
from tests.fakes.scripted_verl import Played, make_scripted_verl
from training.backend_server import run_backend
from training.grpo_config import load_grpo_config
from training.steps import read_steps
from training.tiny import make_tiny_qwen3
from training.vllm_server import VllmServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

SMOKE = Path(__file__).parents[2] / "configs/grpo-smoke.yaml"
BASE = "openai_compatible:tiny"
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Walk:
    """A road whose commands are killed."""

    config: Path
    work: Path
    operator: httpx.Client
    conversation: str

    def killed(self, step: str, moment: Callable[[], bool], *, alone: bool) -> None:
        """Start the command and kill it once `moment` is there in a step; its child too, if it is not killed alone."""
        running = subprocess.Popen(
            [sys.executable, "-m", "training.cli", "retrain", "--config", str(self.config)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        noted = self.work / f"logs/{step}.pid"
        while running.poll() is None and not (noted.exists() and noted.read_text() and moment()):
            time.sleep(POLL_S)
        running.kill()
        running.wait()
        if not alone and noted.exists():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(noted.read_text()), signal.SIGKILL)
        assert self.live() <= {None, self.version()}
        assert road.reply(self.operator, self.conversation) in (BASE, self.version())

    def version(self) -> str | None:
        """What is registered, if anything is by now."""
        journal = self.work / "journal.json"
        steps = json.loads(journal.read_text(encoding="utf-8"))["steps"] if journal.exists() else {}
        return f"p-{steps['train']['outputs']['sha256'][:10]}" if "train" in steps else None

    def live(self) -> set[str | None]:
        """Which version is live; exactly one is, from the first activation on."""
        listed = road.ask(self.operator, "GET", road.POLICIES)["data"]
        live = [str(one["version"]) for one in listed if one["stage"] == "live"]
        assert len(live) == (1 if any(one["stage"] == "previous" for one in listed) else 0)
        return set(live) or {None}


def more_than(server: ScriptedServer) -> Callable[[], bool]:
    """The moment when a server is asked once more than it was when this was first looked at."""
    seen: list[int] = []

    def asked() -> bool:
        seen.append(len(server.chats))
        return seen[-1] > seen[0]

    return asked


def grade(text: str, _dimension: str) -> float:
    """Give replies that differ different scores, as a judge from whom something can be learned."""
    return 0.2 + 0.8 * (zlib.crc32(text.encode()) % 97) / 97


def training(work: Path) -> tuple[dict[str, object], Played]:
    """The smoke run with a verl that only plays."""
    run = load_grpo_config(SMOKE).model_dump(mode="json")
    played = make_scripted_verl(work / "verl", run["verl"])
    run["attune"] |= {"accept_failed_judge": True, "environment": str(played.environment)}
    run["verl"]["actor_rollout_ref"]["model"]["path"] = str(make_tiny_qwen3(work / "model"))
    run["verl"]["data"]["max_prompt_length"] = 3072
    return run, played


async def test_a_retraining_killed_in_every_step_is_completed_by_the_same_command(tmp_path: Path) -> None:
    models = ("scripted", "another", "tiny")
    async with ScriptedRoad(grade, models=models) as server, ScriptedServer(models=()) as second:
        run, played = training(tmp_path)
        config = road.write(
            tmp_path,
            server.base_url,
            run,
            server.base_url,
            servers=[second.base_url],
            canary_percent=100,
            activate=True,
        )
        await asyncio.to_thread(walk, tmp_path, config, played, server, second)


def walk(work: Path, config: Path, played: Played, server: ScriptedServer, second: ScriptedServer) -> None:
    policy = VllmServer(server.base_url, "tiny", 4096, 0.0)
    settings = {"ATTUNE_CONFIG": str(work / "attune.toml")}
    with (
        run_backend(work / "home", policy, log=work / "backend.log", settings=settings) as backend,
        backend.client(300) as operator,
    ):
        people = road.bring_in(operator, backend.url)
        walk = Walk(config, work / "work", operator, road.begin(operator))
        for number, step in enumerate(("build", "criteria", "judge-check")):
            walk.killed(step, more_than(server), alone=number % 2 == 0)
        walk.killed("train", lambda: any(read_steps(run) for run in (work / "work").glob("train-*")), alone=True)
        played.go_on.touch()
        road.retrain(config, "--until", "train")
        [run] = (work / "work").glob("train-*")
        assert [step.number for step in read_steps(run)] == [1, 2], "it went on from its checkpoint"
        version = walk.version()
        assert version is not None

        second.models = [f"attune-{version}"]
        walk.killed("evaluate", more_than(second), alone=False)
        walk.killed("register", lambda: True, alone=False)
        second.models = []
        told = road.retrain(config)
        assert f"canary waits: {version} is full weights" in told and f"--port {second.port}" in told
        second.models = [f"attune-{version}"]
        walk.killed("canary", lambda: True, alone=True)
        assert "activate waits" in road.retrain(config)
        assert road.reply(operator, walk.conversation) == BASE
        fresh = road.begin(operator)
        assert [road.reply(operator, fresh) for _ in range(2)] == [version] * 2
        road.counted(operator, version, 2)
        walk.killed("activate", lambda: True, alone=True)
        road.retrain(config)

        assert walk.live() == {version}
        assert road.seen_by(operator, version) == set(people.values())
        assert road.reply(operator, walk.conversation) == version
        assert road.retrain(config).count("| skipped |") == 8
