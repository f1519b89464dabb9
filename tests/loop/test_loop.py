"""The whole loop with its real parts: what people say becomes a policy that answers them, and is taken back.

The real backend, the real vLLM and the real verl on the CPU; only the big models are scripted (builder, writer of
criteria, judge), and the policy is a tiny random one. It shows that the road holds, and nothing about quality.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from assistant.rollout.vllm import LORA_ENVIRONMENT, SERVE_PYTHON, lora_options
from tests.fakes import road
from tests.fakes.road_server import ScriptedRoad
from training.backend_server import run_backend
from training.grpo import TIMELINE
from training.grpo_config import load_grpo_config
from training.personaemp.manifest import read_manifest
from training.steps import read_steps
from training.timeline import overlaps, read_timeline
from training.tiny import make_tiny_qwen3
from training.vllm_server import VllmServer, run_vllm

pytestmark = [pytest.mark.loop, pytest.mark.slow, pytest.mark.timeout(1800)]

CHECKOUT = Path(__file__).parents[2]
RANK, STEPS, LAYERS = 8, 2, 8
ROLLOUTS = 8
"""Of a step: two prompts, four replies each."""
BASE = "openai_compatible:tiny"
PROBABILITIES_MAY_DIFFER_BY = 1e-4
"""Between vLLM and the trainer, with the same weights; with those before the step it is about 1e-3."""


@pytest.fixture
def ray_place() -> Iterator[Path]:
    """Ray's sockets need a short path."""
    path = Path(tempfile.mkdtemp(prefix="ray-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def vllm(tmp_path: Path) -> Iterator[VllmServer]:
    """The real server with a tiny base model; it takes adapters while it runs."""
    model = make_tiny_qwen3(tmp_path / "model", seed=4, layers=LAYERS, endless=True)
    with run_vllm(
        model,
        python=SERVE_PYTHON,
        log=tmp_path / "vllm.log",
        context_tokens=4096,
        options=lora_options(RANK),
        environment=LORA_ENVIRONMENT,
        ready_within_s=480,
    ) as running:
        yield running


def training(model: Path, ray: Path) -> dict[str, Any]:
    """The smoke run with a LoRA."""
    run = load_grpo_config(CHECKOUT / "configs/grpo-smoke.yaml").model_dump(mode="json")
    # The scripted judge scores by a hash of the reply, so that replies differ: it would pass no check.
    run["attune"] |= {"accept_failed_judge": True, "environment": str(CHECKOUT / ".venv-train")}
    lora = {"path": str(model), "lora_rank": RANK, "lora_alpha": 16, "target_modules": "all-linear"}
    actor = run["verl"]["actor_rollout_ref"]
    actor["model"] = {**lora, "lora": {"merge": True}}
    actor["actor"]["checkpoint"] = {"save_contents": ["model", "optimizer", "extra"]}
    # A larger step could make a random model say nothing visible when nothing is left to chance.
    actor["actor"]["optim"] = {"lr": 1.0e-5}
    actor["rollout"]["load_format"] = "safetensors"
    # A random model's replies are all as long as they may be: so many at once, that some are judged while others wait.
    actor["rollout"]["max_num_seqs"] = 2
    run["verl"]["data"]["max_prompt_length"] = 3072
    run["verl"]["trainer"] |= {"total_training_steps": STEPS, "save_freq": STEPS}
    run["verl"]["ray_kwargs"] = {"ray_init": {"_temp_dir": str(ray)}}
    return run


async def test_what_people_say_becomes_a_policy_and_is_taken_back(
    tmp_path: Path, vllm: VllmServer, ray_place: Path
) -> None:
    def grade(text: str, _dimension: str) -> float:
        return 0.2 + 0.8 * (zlib.crc32(text.encode()) % 97) / 97

    # A judge takes its time; so it shows whether rollouts are judged while others are written.
    async with ScriptedRoad(grade, judge_s=0.2, models=("scripted", "another")) as server:
        run = training(tmp_path / "model", ray_place)
        config = road.write(tmp_path, server.base_url, run, vllm.base_url, canary_percent=100, activate=True)
        await asyncio.to_thread(walk, tmp_path, config, vllm)


def walk(work: Path, config: Path, vllm: VllmServer) -> None:
    settings = {"ATTUNE_CONFIG": str(work / "attune.toml"), "ATTUNE_POLICY__MAX_TOKENS": "32"}
    log = work / "backend.log"
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(run_backend(work / "home", vllm, log=log, settings=settings, ready_within_s=300))
        operator = stack.enter_context(backend.client(300))
        people = road.bring_in(operator, backend.url)
        conversation = road.begin(operator)
        assert road.reply(operator, conversation) == BASE

        told = road.retrain(config)
        assert "activate waits" in told, told[-4000:]
        version, weights = trained(work, len(people))
        assert road.seen_by(operator, version) == set(people.values()), "who did not agree was not read"
        fresh = road.begin(operator)
        assert [road.reply(operator, fresh) for _ in range(2)] == [version] * 2, "the canary answers what begins"
        assert road.reply(operator, conversation) == BASE, "and nothing that another began"
        road.counted(operator, version, 2)

        told = road.retrain(config)
        assert (told.count("| skipped |"), told.count("| done |")) == (7, 1), told[-4000:]
        assert road.reply(operator, conversation) == version, "the same conversation goes on under the new policy"
        road.ask(operator, "POST", f"{road.POLICIES}/rollback", {"reason": "to see it go"})
        assert road.retrain(config).count("| skipped |") == 8, "what was taken back is not put forward again"
        assert road.reply(operator, conversation) == BASE

        gone = next(iter(people))
        road.ask(operator, "DELETE", f"/v1/admin/users/{people[gone]}")
        assert road.policy(operator, version)["needs_retraining"]
        assert road.seen_by(operator, version) == set(people.values()) - {people[gone]}
        road.retrain(config, "--until", "criteria")
        [data] = (work / "work").glob("data-*[0-9a-f]")
        consent = read_manifest(data).build.consent
        assert consent is not None and consent.exported == len(people) - 1, "the next retraining leaves them out"
        assert weights.is_dir()


def moved(adapter: Path) -> float:
    """How far training moved the half of the adapter that begins at zero."""
    tensors = load_file(adapter / "adapter_model.safetensors")
    return max(float(tensor.abs().max()) for name, tensor in tensors.items() if "lora_B" in name)


def trained(work: Path, people: int) -> tuple[str, Path]:
    """Look at what training left; return the version and its weights."""
    journal = json.loads((work / "work/journal.json").read_text(encoding="utf-8"))["steps"]
    assert journal["build"]["outputs"]["people"] == people
    out = Path(journal["train"]["outputs"]["weights"])
    [run] = (work / "work").glob("train-*")
    steps = read_steps(run)
    assert [step.number for step in steps] == [1, STEPS]
    for step in steps:
        assert (step.get("actor/grad_norm") or 0) > 0
        assert step.figures["training/rollout_probs_diff_max"] < PROBABILITIES_MAY_DIFFER_BY
        assert step.get("judge/unscored_share") == 0
    assert moved(out) > 0
    judged = overlaps(read_timeline(run / TIMELINE))
    assert [(one.step, one.rollouts) for one in judged] == [(1, ROLLOUTS), (STEPS, ROLLOUTS)]
    assert all(one.hidden > 0 for one in judged), "rollouts are judged while others are written"
    print((run / "cost.md").read_text(encoding="utf-8"))  # noqa: T201
    assert (run / "timeline.png").is_file()
    return str(journal["register"]["outputs"]["version"]), out
