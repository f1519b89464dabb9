"""The supervised baseline, by verl's own trainer: a strong model's replies to the rows' prompts, learned word by word.

The replies are the teacher's, whom the configuration names (the paper let GPT-5.4 write its own); they are written
first, kept, and are no person's words. The prompt of a row is the one that GRPO and serving use, so that the baseline
differs in how it learned and in nothing else. A row without a reply is left out and counted.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from memory.embedder import Embedder
from training.adapter import export_adapter
from training.child import POLL_S, child, tail
from training.cpu.settings import CPU_SFT_SETTINGS, cpu_environment
from training.describe import weights_of, write_description
from training.errors import ConfigError, DatasetError, EngineError
from training.evaluation.policies import answers
from training.example import Example, Split
from training.grpo import CHECKOUT
from training.personaemp.dataset import read_examples
from training.preflight import check_sft
from training.sft_config import SftConfig
from training.steps import Step, next_file, read_steps, steps_of
from training.verl_settings import overrides, sft_reference

_SPLITS: tuple[Split, ...] = ("train", "test")

Done = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SftRun:
    """A finished run."""

    weights: Path
    """What `attune policies register` and `attune serve-policy` take."""
    steps: int
    replies: int
    """That were learned from."""
    unanswered: int
    """Rows of training without a reply."""
    seconds: float
    """Of this attempt."""


def command(config: SftConfig) -> list[str]:
    """Return what is run in the training environment.

    Raises:
        ConfigError: verl is not installed there.
    """
    run, out = config.attune, config.attune.out.absolute()
    known = sft_reference(run.environment)
    ours = {
        "model": {"path": config.base_model},
        "data": {"train_files": str(out / "train.parquet"), "val_files": str(out / "test.parquet")},
        "trainer": {
            "default_local_dir": str(out / "checkpoints"),
            "logger": ["console", "file", "tensorboard"],
            "resume_mode": "auto",
        },
    }
    processes = int(config.get("trainer.n_gpus_per_node", 1))
    launcher = ("-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}")
    settings = [*overrides(config.verl, known), *overrides(ours, known)]
    cpu = CPU_SFT_SETTINGS if run.device == "cpu" else ()
    return [str(_python(config)), *launcher, "-m", "verl.trainer.sft_trainer", *settings, *cpu]


def train_sft(
    config: SftConfig, embedder: Embedder, done: Done = lambda *_: None, say: Callable[[Step], None] = lambda _: None
) -> SftRun:
    """Have the replies written, and train on them to the end.

    Raises:
        ConfigError: something is wrong that can be known beforehand; all of it is named.
        DatasetError: the teacher left too many rows without a reply.
        CallError: the teacher is not there.
        EngineError: verl failed; its log's end is quoted.
    """
    if found := check_sft(config):
        raise ConfigError("the run was not started:\n" + "\n".join(f"- {problem}" for problem in found))
    started, out = time.monotonic(), config.attune.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    counts = [asyncio.run(_replies(config, embedder, split, done)) for split in _SPLITS]
    metrics = next_file(out)
    environment = {
        **(cpu_environment(CHECKOUT) if config.attune.device == "cpu" else {}),
        "PYTHONPATH": str(CHECKOUT),
        "VERL_FILE_LOGGER_PATH": str(metrics),
        "TENSORBOARD_DIR": str(out / "tensorboard"),
    }
    log = out / "verl.log"
    with child("verl", command(config), log=log, environment=environment, cwd=out) as verl:
        told = 0
        while verl.process.poll() is None:
            time.sleep(POLL_S)
            fresh = list(steps_of(metrics))[told:]
            told += len(fresh)
            for step in fresh:
                say(step)
    if verl.process.returncode != 0:
        raise EngineError(f"verl ended with status {verl.process.returncode}:\n{tail(log)}")
    weights = _weights(config, out, environment)
    return SftRun(weights, len(read_steps(out)), counts[0][0], counts[0][1], time.monotonic() - started)


def _weights(config: SftConfig, out: Path, environment: dict[str, str]) -> Path:
    noted = out / "checkpoints/latest_checkpointed_iteration.txt"
    if not noted.is_file():
        raise EngineError(f"verl left no checkpoint in {out / 'checkpoints'}:\n{tail(out / 'verl.log')}")
    checkpoint = out / f"checkpoints/global_step_{noted.read_text(encoding='utf-8').strip()}"
    if int(config.get("model.lora_rank", 0)):
        export_adapter(checkpoint, _python(config), environment, out / "merger.log")
    weights = weights_of(checkpoint)
    write_description(weights, config.base_model, config.attune.data, out, config.model_dump_json())
    return weights


async def _replies(config: SftConfig, embedder: Embedder, split: Split, done: Done) -> tuple[int, int]:
    """Write a split's conversations as verl's supervised trainer reads them; return how many, and how many lack one."""
    run = config.attune
    examples = list(read_examples(run.data, split))
    said, _ = await answers(run.teacher, examples, embedder, run.out / "replies.db", run.seed, done)
    pairs = [
        (example, one.reply.text) for example, one in zip(examples, said, strict=True) if one.reply and one.reply.text
    ]
    missing = len(examples) - len(pairs)
    if missing > run.most_unanswered * len(examples) or not pairs:
        raise DatasetError(
            f"{missing} of {len(examples)} rows of {split} got no reply from {run.teacher.endpoint.model}; at most "
            f"attune.most_unanswered = {run.most_unanswered:g} may. Repair: raise the teacher's max_tokens, or take "
            "another one, and run the same command again: replies are kept"
        )
    await asyncio.to_thread(_write, run.out / f"{split}.parquet", pairs)
    return len(pairs), missing


def _write(path: Path, pairs: Sequence[tuple[Example, str]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"messages": [*map(dict, example.prompt), {"role": "assistant", "content": reply}]} for example, reply in pairs
    ]
    partial = path.with_suffix(".partial")
    pq.write_table(pa.Table.from_pylist(rows), partial)
    os.replace(partial, path)


def _python(config: SftConfig) -> Path:
    return config.attune.environment.absolute() / "bin/python"
