"""GRPO: check the configuration, hand over to verl in its own environment, watch it, and end it by rule or at the end.

verl runs as a child process and is never imported. A run that was cut off, by whatever, goes on from its newest
checkpoint when it is started again with the same `out`. Every step's figures stay in `out`, of all attempts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from training.adapter import export_adapter
from training.child import POLL_S, Child, child, tail
from training.cpu.settings import CPU_SETTINGS, cpu_environment
from training.describe import describe
from training.errors import ConfigError, EngineError, StoppedError
from training.grpo_config import GrpoConfig
from training.peregrm.config import JUDGE_VARIABLE
from training.preflight import check
from training.steps import Step, next_file, read_steps, steps_of
from training.stops import reason_to_stop
from training.timeline import TIMELINE_VARIABLE
from training.verl_settings import overrides, reference

TIMELINE = "timeline.jsonl"
"""In a run's directory: when each rollout was written and judged."""
CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run."""

    checkpoint: Path
    """The directory of the newest checkpoint."""
    weights: Path
    """What `attune policies register` and `attune serve-policy` take."""
    steps: int
    seconds: float
    """Of this attempt."""


def command(config: GrpoConfig) -> list[str]:
    """Return what is run in the training environment.

    Raises:
        ConfigError: verl is not installed there.
    """
    run = config.attune
    known = reference(run.environment)
    ours = {
        "actor_rollout_ref": {"model": {"path": config.base_model}},
        "data": {"train_files": str(_file(config, "train")), "val_files": str(_file(config, "test"))},
        "reward": {
            "custom_reward_function": {"path": "pkg://training.reward", "name": "compute_score"},
            "reward_manager": {
                "source": "importlib",
                "name": "StepRewardManager",
                "module": {"path": "pkg://training.verl_manager"},
            },
        },
        "trainer": {
            "default_local_dir": str(run.out.absolute() / "checkpoints"),
            "logger": ["console", "file", "tensorboard"],
            "resume_mode": "auto",
            "rollout_data_dir": str(run.out.absolute() / "rollouts"),
            "v1": {
                "sampler": {
                    "custom_sampler": {"path": "pkg://training.verl_sampler", "name": "ScoredReplayBuffer"},
                }
            },
            "validation_data_dir": str(run.out.absolute() / "validation"),
        },
    }
    cpu = CPU_SETTINGS if run.device == "cpu" else ()
    settings = [*overrides(config.verl, known), *overrides(ours, known), *cpu]
    return [str(_python(config)), "-m", "verl.trainer.main_ppo", *settings]


def train(config: GrpoConfig, say: Callable[[Step, int | None, float], None] = lambda *_: None) -> Run:
    """Train to the end; `say` is told each step, how many there will be, and the seconds so far.

    Raises:
        ConfigError: something is wrong that can be known beforehand; all of it is named.
        StoppedError: a rule ended the run.
        EngineError: verl failed; its log's end is quoted.
    """
    if found := check(config):
        raise ConfigError("the run was not started:\n" + "\n".join(f"- {problem}" for problem in found))
    out = config.attune.out.absolute()
    _make(out)
    metrics, started = next_file(out), time.monotonic()
    with child(
        "verl", command(config), log=out / "verl.log", environment=_environment(config, metrics), cwd=out
    ) as verl:
        _follow(verl, metrics, config, lambda step, total: say(step, total, time.monotonic() - started))
        if verl.process.returncode != 0:
            raise EngineError(f"verl ended with status {verl.process.returncode}:\n{tail(verl.log)}")
    steps = read_steps(out)
    if not steps:
        raise EngineError(f"verl ended without a step:\n{tail(out / 'verl.log')}")
    checkpoint = newest_checkpoint(out)
    if checkpoint is None:
        raise EngineError(f"verl left no checkpoint in {out / 'checkpoints'}: set verl.trainer.save_freq")
    if int(config.get("actor_rollout_ref.model.lora_rank", 0)):
        export_adapter(checkpoint / "actor", _python(config), _environment(config, metrics), out / "merger.log")
    return Run(checkpoint, describe(checkpoint, config), steps[-1].number, time.monotonic() - started)


def newest_checkpoint(out: Path) -> Path | None:
    """Return the directory of the newest complete checkpoint."""
    noted = out / "checkpoints/latest_checkpointed_iteration.txt"
    if not noted.is_file():
        return None
    found = out / f"checkpoints/global_step_{noted.read_text().strip()}"
    return found if found.is_dir() else None


def _follow(verl: Child, metrics: Path, config: GrpoConfig, say: Callable[[Step, int | None], None]) -> None:
    """Tell each step and apply the rules until verl has ended."""
    out, told, ended = metrics.parent, 0, False
    while not ended:
        ended = verl.process.poll() is not None
        fresh = list(steps_of(metrics))[told:]
        told += len(fresh)
        for step in fresh:
            say(step, _total_steps(config))
        if fresh and (reason := reason_to_stop([step.figures for step in read_steps(out)], config.attune.stop)):
            newest = newest_checkpoint(out) or "none"
            raise StoppedError(f"stopped after step {fresh[-1].number}: {reason}. Newest checkpoint: {newest}")
        if not ended:
            time.sleep(POLL_S)


def _total_steps(config: GrpoConfig) -> int | None:
    total = config.get("trainer.total_training_steps")
    return int(total) if total else None


def _python(config: GrpoConfig) -> Path:
    return config.attune.environment.absolute() / "bin/python"


def _file(config: GrpoConfig, split: str) -> Path:
    return config.attune.data.absolute() / f"{split}.parquet"


def _environment(config: GrpoConfig, metrics: Path) -> dict[str, str]:
    out = config.attune.out.absolute()
    ours = {
        "PYTHONPATH": str(CHECKOUT),
        "VERL_FILE_LOGGER_PATH": str(metrics),
        "TENSORBOARD_DIR": str(out / "tensorboard"),
        JUDGE_VARIABLE: str(config.attune.judge.absolute()),
        TIMELINE_VARIABLE: str(out / TIMELINE),
    }
    return {**(cpu_environment(CHECKOUT) if config.attune.device == "cpu" else {}), **ours}


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"attune.out: cannot write to {out} ({error.strerror}); choose a directory of yours"
        ) from error
