"""What can be wrong with a run of verl, found before a GPU is taken: each problem a sentence with its repair."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.example import Example, Split
from training.grpo_config import GrpoConfig, RunConfig, VerlConfig
from training.sft_config import SftConfig
from training.verl_settings import problems, reference, sft_reference

_GIB = 1024**3
_SPLITS: tuple[Split, ...] = ("train", "test")
_TRAINED_BYTES = 18
"""A parameter that is trained: weight, gradient and two moments in 32 bits, and the copy that vLLM serves."""
_PLAIN = "That sounds hard. What would help you most right now?"
_FROZEN_BYTES = 4
"""A parameter under LoRA: one copy to train through and one that vLLM serves, in 16 bits."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where verl's trainers say the same thing under different names."""

    model: str
    lora_rank: str
    length: str
    offload: str
    beside_prompt: int = 0
    """Tokens that must fit beside the prompt."""


_GRPO = Place(
    "actor_rollout_ref.model.path",
    "actor_rollout_ref.model.lora_rank",
    "data.max_prompt_length",
    "actor_rollout_ref.actor.fsdp_config.optimizer_offload",
)


def check(config: GrpoConfig) -> tuple[str, ...]:
    """Return what is wrong with a GRPO run, empty when it can begin.

    Raises:
        ConfigError: verl is not installed where the configuration says.
    """
    run = config.attune
    found = [*problems(config.verl, reference(run.environment)), *_paths(config, run.data, _GRPO), *_judge_file(run)]
    if not found:
        found += [*_data(config, run.data, _GRPO), *_marks(run.data), *_judge(config)]
        found += _memory(config, _GRPO, run.device, run.gpu_gib)
    return tuple(found)


def check_sft(config: SftConfig) -> tuple[str, ...]:
    """Return what is wrong with a supervised run, empty when it can begin.

    Raises:
        ConfigError: verl is not installed where the configuration says.
    """
    run = config.attune
    teacher = run.teacher.endpoint
    place = Place("model.path", "model.lora_rank", "data.max_length", "engine.optimizer_offload", teacher.max_tokens)
    found = [*problems(config.verl, sft_reference(run.environment)), *_paths(config, run.data, place)]
    if not found:
        found += [*_data(config, run.data, place), *_marks(run.data), *_memory(config, place, run.device, run.gpu_gib)]
        if problem := unreachable(teacher.base_url):
            found.append(f"the teacher at {teacher.base_url} does not answer ({problem}); start it, or mend base_url")
    return tuple(found)


def _paths(config: VerlConfig, data: Path, place: Place) -> Iterator[str]:
    for split in _SPLITS:
        if not (data / f"{split}.parquet").is_file():
            yield f"attune.data: no {data / f'{split}.parquet'}; build the data set: attune-train data build"
    model = config.get(place.model)
    if not model:
        yield f"verl.{place.model}: no base model is named"
    elif (Path(model).is_absolute() or model.startswith(".")) and not (Path(model) / "config.json").is_file():
        yield f"verl.{place.model}: no model in {model} (its config.json is missing)"


def _judge_file(run: RunConfig) -> Iterator[str]:
    if not run.judge.is_file():
        yield f"attune.judge: no file {run.judge}; see configs/judge.toml"


def _data(config: VerlConfig, data: Path, place: Place) -> Iterator[str]:
    from training.errors import DatasetError
    from training.personaemp.dataset import read_examples

    longest, model = 0, str(config.get(place.model))
    batch = int(config.get("data.train_batch_size", 1024))
    try:
        count = _tokens(model, config.get("data.apply_chat_template_kwargs") or {})
    except (OSError, ValueError) as error:
        yield (
            f"verl.{place.model}: the tokenizer of {model} cannot be read ({str(error).splitlines()[0]}); fetch it "
            f"first (hf download {model}), or name its directory"
        )
        return
    for split in _SPLITS:
        rows = 0
        try:
            for example in read_examples(data, split):
                longest, rows = max(longest, count(example)), rows + 1
        except DatasetError as error:
            yield str(error)
        if not rows:
            yield f"attune.data: the split {split} of {data} is empty; build it from more people"
        elif split == "train" and rows < batch:
            yield f"verl.data.train_batch_size: {batch} does not fit into {rows} rows; lower it"
    allowed, needed = int(config.get(place.length, 512)), longest + place.beside_prompt
    if needed > allowed:
        beside = f" and the reply up to {place.beside_prompt}" if place.beside_prompt else ""
        yield (
            f"verl.{place.length}: the longest prompt takes {longest} tokens{beside}, and {allowed} are allowed; "
            f"raise it to {needed}, or build the data set with a smaller context_tokens"
        )


def _marks(data: Path) -> Iterator[str]:
    """Say whether somebody took back what the data set holds."""
    import asyncio

    from assistant.config import load_config
    from assistant.errors import AttuneError
    from memory.errors import MemoryLayerError
    from memory.ledger.ledger import Ledger
    from training.errors import TrainingError
    from training.personaemp.check import check_dataset, check_files

    async def look() -> None:
        if check_files(data).build.consent is None:
            return
        async with Ledger.open(load_config().memory_config) as ledger:
            await check_dataset(data, ledger)

    try:
        asyncio.run(look())
    except (TrainingError, MemoryLayerError, AttuneError) as error:
        yield str(error)


def _tokens(model: str, template: Mapping[str, Any]) -> Any:
    """Return what counts the tokens of an example's prompt under the model's own chat template."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)

    def count(example: Example) -> int:
        messages = [dict(message) for message in example.prompt]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **template)
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return count


def _judge(config: GrpoConfig) -> Iterator[str]:
    from training.errors import TrainingError
    from training.peregrm.check import gives_all_the_same, require_pass
    from training.peregrm.config import load_judge_config

    try:
        judge = load_judge_config(config.attune.judge)
    except TrainingError as error:
        yield str(error)
        return
    if problem := unreachable(judge.endpoint.base_url):
        yield f"the judge at {judge.endpoint.base_url} does not answer ({problem}); start its server, or mend base_url"
    if not config.attune.accept_failed_judge:
        try:
            require_pass(judge)
        except TrainingError as error:
            yield str(error)
    if gives_all_the_same(judge):
        yield (
            f"the judge gave every reply of its check the same reward ({judge.check.report}), which teaches nothing: "
            "choose another judge, and run `attune-train judge-check`"
        )
    elif not problem:
        yield from _scores(config)


def _scores(config: GrpoConfig) -> Iterator[str]:
    """Judge a plain reply to a few rows just as verl will, so that a judge who can score nothing is known now."""
    import asyncio
    from itertools import islice

    from training.errors import TrainingError
    from training.personaemp.dataset import read_examples
    from training.reward import close, compute_score

    run = config.attune

    async def tried() -> list[dict[str, float]]:
        rows = [one.row(number)["extra_info"] for number, one in enumerate(islice(read_examples(run.data, "train"), 3))]
        try:
            return [
                await compute_score(solution_str=_PLAIN, extra_info=row, judge_config=str(run.judge)) for row in rows
            ]
        finally:
            await close()

    try:
        found = asyncio.run(tried())
    except TrainingError as error:
        yield str(error)
        return
    if found and all(one["unscored"] for one in found):
        yield (
            f"the judge left all {len(found)} trial replies to rows of {run.data} unscored, the warnings above say "
            f"why: mend {run.judge} or its server, then run `attune-train judge-check`"
        )


def unreachable(base_url: str) -> str | None:
    """Return why the server at this address does not answer, None if it does."""
    import httpx

    try:
        httpx.get(f"{base_url.rstrip('/')}/models", timeout=5.0)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    return None


def _memory(config: VerlConfig, place: Place, device: str, known_gib: float | None) -> Iterator[str]:
    if device == "cpu":
        return
    gib = known_gib or gpu_gib()
    if gib is None:
        yield "no GPU was found: run where nvidia-smi shows one, name its memory as attune.gpu_gib, or set device: cpu"
        return
    parameters = _parameters(_directory(str(config.get(place.model))))
    if parameters is None:
        return
    gpus = int(config.get("trainer.n_gpus_per_node", 1)) * int(config.get("trainer.nnodes", 1))
    offloaded = bool(config.get(place.offload))
    lora = int(config.get(place.lora_rank, 0))
    each = _FROZEN_BYTES if lora else _TRAINED_BYTES - (8 if offloaded else 0)
    needed = parameters * each / gpus / _GIB
    if needed > 0.95 * gib:
        yield (
            f"the weights, gradients and optimizer take about {needed:.3g} GiB on each GPU and it has {gib:.3g}: "
            "use configs/grpo-lora-1gpu.yaml, more GPUs, or fsdp_config.optimizer_offload: true"
        )


def gpu_gib() -> float | None:
    """Return the memory of the smallest GPU in GiB, None where nvidia-smi shows none."""
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return min((float(line) / 1024 for line in said.split()), default=None)


def _directory(model: str) -> Path:
    """Return where a model lies: a directory, or where the hub's client keeps it."""
    from huggingface_hub import try_to_load_from_cache

    kept = None if Path(model).is_dir() else try_to_load_from_cache(model, "config.json")
    return Path(kept).parent if isinstance(kept, str) else Path(model)


def _parameters(model: Path) -> int | None:
    """Return how many parameters a model directory holds, from the headers of its weights; None if none lie there."""
    total = 0
    for path in model.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        for name, tensor in header.items():
            if name != "__metadata__":
                size = 1
                for side in tensor["shape"]:
                    size *= side
                total += size
    return total or None
