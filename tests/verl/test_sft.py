"""`attune-train sft` with the real verl on the CPU: a teacher's replies are learned, and what came of it registers."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from assistant.rollout.description import spec_of_directory
from tests.fakes.examples import example
from tests.fakes.scripted_answers import reply
from tests.fakes.scripted_server import ScriptedServer
from training.example import PromptMessage
from training.personaemp.dataset import Writer
from training.personaemp.identity import Identity
from training.personaemp.manifest import BuildInfo
from training.personaemp.split import SplitRule
from training.sft_config import load_sft_config
from training.steps import read_steps
from training.tiny import make_tiny_qwen3

pytestmark = [pytest.mark.verl, pytest.mark.slow, pytest.mark.timeout(900)]

SFT = Path(__file__).parents[2] / "configs/sft.yaml"


def prepare(work: Path, base_url: str) -> Path:
    """Write a data set, a tiny model, and the project's supervised run over them, small enough for a CPU."""
    with Writer.open(work / "data", Identity("set_sft", "00" * 32, datetime(2026, 1, 1, tzinfo=UTC))) as writer:
        for number in range(24):
            asked = PromptMessage(role="user", content=f"I am tired of week {number}.")
            writer.add(replace(example(f"person_{number:02}"), prompt=(asked,)))
        writer.finish(SplitRule(ood=False), BuildInfo(prompts={"serving": "abc"}))
    run = load_sft_config(SFT).model_dump(mode="json")
    run["attune"] |= {
        "data": str(work / "data"),
        "out": str(work / "out"),
        "device": "cpu",
        "environment": str(Path(".venv-train").absolute()),
    }
    run["attune"]["teacher"]["endpoint"] |= {"base_url": base_url, "model": "scripted", "max_tokens": 64, "retries": 0}
    run["verl"]["model"]["path"] = str(make_tiny_qwen3(work / "model"))
    run["verl"]["data"] |= {"train_batch_size": 4, "max_length": 512}
    run["verl"]["optim"] = {"lr": 1.0e-2}
    run["verl"]["engine"] = {}
    run["verl"]["trainer"] |= {"n_gpus_per_node": 1, "total_training_steps": 4, "save_freq": 2, "test_freq": -1}
    path = work / "run.yaml"
    path.write_text(yaml.safe_dump(run), encoding="utf-8")
    return path


async def test_a_teachers_replies_are_learned_by_verls_own_trainer(tmp_path: Path) -> None:
    async with ScriptedServer(default=reply("That sounds like a lot to carry.")) as server:
        run = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "training.cli", "sft", "--config", str(prepare(tmp_path, server.base_url))],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await run.communicate())[0].decode()
        asked = len(server.chats)
    out = tmp_path / "out"
    assert run.returncode == 0, said[-3000:]
    assert asked == 24, "each row once"
    losses = [step.figures["train/loss"] for step in read_steps(out)]
    assert len(losses) == 4 and losses[-1] < losses[0]
    spec = spec_of_directory(
        out / "checkpoints/global_step_4/huggingface", version="sft", replica="http://127.0.0.1:9/v1"
    )
    assert (spec.kind, spec.preset, spec.prompt_hash, spec.lineage.run) == ("full", "paper", "abc", str(out))
    assert spec.lineage.judge is None
