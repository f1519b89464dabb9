"""`make prove-verl`: the real verl trains a tiny random Qwen3 for two GRPO steps and the real vLLM serves the result.

It shows that the engines work together on this machine: rollouts by vLLM inside verl, a reward function of ours,
weights that change and reach vLLM again, a checkpoint in Hugging Face form, and the backend answering from it. It shows
nothing about quality: the weights are random and the reward is trivial. Its files are temporary.
"""

from __future__ import annotations

import json
import math
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from training.backend_server import run_backend, say
from training.child import Child, child, tail
from training.cpu.settings import ACTOR, CPU_SETTINGS, ROLLOUT, cpu_environment
from training.errors import EngineError
from training.tiny import make_tiny_qwen3
from training.vllm_server import run_vllm

CHECKOUT = Path(__file__).resolve().parent.parent
TRAIN_PYTHON = CHECKOUT / ".venv-train/bin/python"
SERVE_PYTHON = CHECKOUT / ".venv-serve/bin/python"
STEPS = 2
TRAIN_WITHIN_S = 900.0
SHOWN = {
    "critic/score/mean": "mean score",
    "actor/grad_norm": "gradient norm",
    "training/rollout_probs_diff_max": "vLLM's and the trainer's token probabilities differ by at most",
    "timing_s/step": "seconds",
}
PROBABILITIES_MAY_DIFFER_BY = 1e-5
"""With the same weights in 32 bits they differ by about 1e-8; with the weights before the step, by about 1e-3."""
MESSAGE = "Hello! I moved to Lisbon last spring and I sleep badly."


def main() -> None:
    """Run the proof and report; leave with status 1 and the reason when any part of it fails."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("prove-verl was stopped"))
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="attune-") as directory:
            prove(Path(directory))
    except EngineError as error:
        sys.exit(f"prove-verl failed: {error}")
    report(f"proved in {time.monotonic() - started:.0f} s; nothing is left running")


def prove(work: Path) -> None:
    """Train, compare, serve, chat; every file goes below `work`.

    Raises:
        EngineError: a part of it failed.
    """
    with step("make a tiny random Qwen3 and eight questions"):
        model = make_tiny_qwen3(work / "model")
        data = write_questions(work / "questions.jsonl")
    with step(f"train it for {STEPS} GRPO steps with the real verl on the CPU"):
        checkpoint = train(model, data, work)
    with step("compare the checkpoint with the weights before"):
        report(f"the largest change of a weight is {largest_change(model, checkpoint):.6f}")
    with (
        step("serve the checkpoint with the real vLLM, chat with it through the real backend, stop both"),
        run_vllm(checkpoint, python=SERVE_PYTHON, log=work / "vllm.log", name="proved") as server,
    ):
        report(f"vLLM was ready after {server.ready_after_s:.0f} s")
        with run_backend(work / "home", server, log=work / "backend.log") as backend:
            report_reply(say(backend, MESSAGE))


def write_questions(path: Path) -> Path:
    """Write verl's input: one JSON line for each prompt."""
    rows = [
        {
            "data_source": "attune/proof",
            "prompt": [{"role": "user", "content": f"Tell me about the number {number}."}],
            "reward_model": {"style": "rule", "ground_truth": ""},
            "extra_info": {"index": number},
        }
        for number in range(8)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def train(model: Path, data: Path, work: Path) -> Path:
    """Run verl to its end, reporting each step, and return the Hugging Face checkpoint.

    Raises:
        EngineError: the environment is missing, verl failed, or vLLM did not follow the weights.
    """
    if not TRAIN_PYTHON.exists():
        raise EngineError(f"no {TRAIN_PYTHON}: run `make setup-train` first")
    command = [str(TRAIN_PYTHON), "-m", "verl.trainer.main_ppo", *settings(model, data, work), *CPU_SETTINGS]
    environment = cpu_environment(CHECKOUT)
    with child("verl", command, log=work / "verl.log", environment=environment, cwd=work) as verl:
        steps = [watch(verl, number) for number in range(1, STEPS + 1)]
        verl.process.wait(timeout=TRAIN_WITHIN_S)
    checkpoint = work / f"checkpoints/global_step_{STEPS}/actor/huggingface"
    if verl.process.returncode != 0 or not (checkpoint / "model.safetensors").exists():
        raise EngineError(f"verl left no checkpoint (status {verl.process.returncode}):\n{tail(verl.log)}")
    difference = steps[-1]["training/rollout_probs_diff_max"]
    if difference > PROBABILITIES_MAY_DIFFER_BY:
        raise EngineError(f"after an update vLLM's token probabilities differ from the trainer's by {difference}")
    return checkpoint


def settings(model: Path, data: Path, work: Path) -> list[str]:
    """What verl is asked to do, beside what the CPU needs."""
    return [
        "algorithm.adv_estimator=grpo",
        f"data.train_files={data}",
        f"data.val_files={data}",
        "data.train_batch_size=4",
        "data.max_prompt_length=128",
        "data.max_response_length=32",
        f"actor_rollout_ref.model.path={model}",
        f"{ACTOR}.ppo_mini_batch_size=4",
        f"{ACTOR}.ppo_micro_batch_size_per_gpu=2",
        f"{ACTOR}.optim.lr=1e-2",
        f"{ACTOR}.checkpoint.save_contents=[model,optimizer,extra,hf_model]",
        f"{ROLLOUT}.name=vllm",
        f"{ROLLOUT}.n=2",
        f"{ROLLOUT}.tensor_model_parallel_size=1",
        f"{ROLLOUT}.log_prob_micro_batch_size_per_gpu=2",
        f"reward.custom_reward_function.path={CHECKOUT / 'training/prove_reward.py'}",
        "trainer.logger=console",
        f"trainer.total_training_steps={STEPS}",
        "trainer.val_before_train=False",
        f"trainer.save_freq={STEPS}",
        "trainer.test_freq=-1",
        f"trainer.default_local_dir={work / 'checkpoints'}",
        f"+ray_kwargs.ray_init._temp_dir={work / 'ray'}",
    ]


def watch(verl: Child, number: int) -> Mapping[str, float]:
    """Wait until verl has done step `number`, report its figures and return them.

    Raises:
        EngineError: verl ended before, or printed no figures.
    """
    found: dict[str, float] = {}

    def is_done() -> bool:
        found.update(read_step(verl.log.read_text(encoding="utf-8", errors="replace"), number))
        return bool(found)

    verl.wait_until(is_done, TRAIN_WITHIN_S)
    if missing := SHOWN.keys() - found.keys():
        raise EngineError(f"verl's step {number} does not say {', '.join(sorted(missing))}:\n{tail(verl.log)}")
    report(f"step {number}: " + ", ".join(f"{SHOWN[name]} {found[name]:.3g}" for name in SHOWN))
    return found


def read_step(log: str, number: int) -> dict[str, float]:
    """The figures verl's console logger printed for one step; empty while it has not."""
    line = re.search(rf"step:{number} - (.*)\n", log)
    pairs = re.findall(r"([\w/]+):(-?[\d.]+(?:e[+-]?\d+)?)(?: - |$)", line[1]) if line else []
    return {name: float(value) for name, value in pairs}


def largest_change(before: Path, after: Path) -> float:
    """The largest difference of a weight between two Hugging Face checkpoints.

    Raises:
        EngineError: they hold different weights, values that are not numbers, or the same values.
    """
    from safetensors.torch import load_file

    old, new = load_file(before / "model.safetensors"), load_file(after / "model.safetensors")
    if old.keys() != new.keys():
        raise EngineError(f"the checkpoint holds other weights: {sorted(old.keys() ^ new.keys())}")
    changes = [float((old[name] - new[name]).abs().max()) for name in old]
    if not all(map(math.isfinite, changes)):
        raise EngineError("the checkpoint holds weights that are not numbers")
    if not any(changes):
        raise EngineError("training changed no weight")
    return max(changes)


def report_reply(events: list[tuple[str, dict[str, object]]]) -> None:
    """Report the events of one reply.

    Raises:
        EngineError: the reply was not completed by the trained policy.
    """
    kinds = [kind for kind, _ in events]
    order = list(dict.fromkeys(kinds))
    report(f"sent {MESSAGE!r}; events: " + ", ".join(f"{kind} x{kinds.count(kind)}" for kind in order))
    last, content = events[-1] if events else ("nothing", {})
    if last != "message.completed" or content["policy_version"] != "openai_compatible:proved":
        raise EngineError(f"the reply ended with {last}: {json.dumps(content)[:500]}")
    text = "".join(str(content["text"]) for kind, content in events if kind == "delta")
    report(f"the reply, from random weights: {text[:80]!r}…")


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    report(f"{what} …")
    started = time.monotonic()
    yield
    report(f"… done in {time.monotonic() - started:.1f} s")


def report(line: str) -> None:
    """Write one line for the person who watches."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
