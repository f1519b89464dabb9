from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from tests.fakes.embedding import shared_embedder
from tests.fakes.examples import examples
from tests.fakes.scripted_answers import error
from tests.fakes.scripted_server import ScriptedServer
from training.errors import ConfigError, DatasetError
from training.personaemp.dataset import Writer
from training.personaemp.identity import open_identity
from training.personaemp.manifest import BuildInfo
from training.personaemp.split import SplitRule
from training.preflight import check_sft
from training.sft import command, train_sft
from training.sft_config import SftConfig, load_sft_config
from training.tiny import make_tiny_qwen3

CONFIGS = Path(__file__).parents[2] / "configs"
VERL_DEFAULTS = {
    "sft_trainer_engine.yaml": {
        "defaults": [{"model@model": "hf_model"}, {"engine@engine": "fsdp"}, "_self_"],
        "data": {"train_batch_size": 256, "max_length": 1024, "train_files": "", "val_files": ""},
        "trainer": {"default_local_dir": "", "logger": [], "resume_mode": "auto"},
    },
    "model/hf_model.yaml": {"path": "", "lora_rank": 0},
    "engine/fsdp.yaml": {"optimizer_offload": False},
}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


@pytest.fixture
def config(tmp_path: Path, server: ScriptedServer) -> SftConfig:
    """A run that could begin."""
    folder = tmp_path / "env/lib/python3.11/site-packages/verl/trainer/config"
    for name, content in VERL_DEFAULTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")
    with Writer.open(tmp_path / "data", open_identity(tmp_path / "identity")) as writer:
        for one in examples(24, each=1):
            writer.add(one)
        writer.finish(SplitRule(ood=False), BuildInfo())
    attune = {
        "data": tmp_path / "data",
        "teacher": {"endpoint": {"base_url": server.base_url, "model": "scripted", "max_tokens": 64, "retries": 0}},
        "out": tmp_path / "out",
        "device": "cpu",
        "environment": tmp_path / "env",
    }
    verl = {"data": {"train_batch_size": 2}, "model": {"path": str(make_tiny_qwen3(tmp_path / "model"))}}
    return SftConfig.model_validate({"attune": attune, "verl": verl})


def test_the_run_of_the_project_is_read_and_names_its_command() -> None:
    load_sft_config(CONFIGS / "sft.yaml")
    assert "attune-train sft --config configs/sft.yaml" in (CONFIGS / "sft.yaml").read_text(encoding="utf-8")


async def test_a_good_run_has_nothing_wrong_and_says_verls_command(config: SftConfig) -> None:
    assert await asyncio.to_thread(check_sft, config) == ()
    said = command(config)
    assert said[1:4] == ["-m", "torch.distributed.run", "--standalone"]
    assert f"data.train_files={config.attune.out.absolute() / 'train.parquet'}" in said


@pytest.mark.parametrize(
    ("verl", "said"),
    [
        ({"data": {"train_batchsize": 2}}, "train_batch_size was meant?"),
        ({"engine": {"optimiser_offload": True}}, "optimizer_offload was meant?"),
        ({"data": {"max_length": 64}}, "and the reply up to 64, and 64 are allowed"),
        ({"model": {"path": "./nowhere"}}, "no model in ./nowhere"),
    ],
)
async def test_what_is_wrong_is_said_before_anything_starts(
    config: SftConfig, verl: dict[str, dict[str, object]], said: str
) -> None:
    merged = {name: {**config.verl.get(name, {}), **verl.get(name, {})} for name in {*config.verl, *verl}}
    changed = config.model_copy(update={"verl": merged})
    with pytest.raises(ConfigError) as refused:
        await asyncio.to_thread(train_sft, changed, shared_embedder())
    assert said in str(refused.value)
    assert not config.attune.out.is_dir()


async def test_a_teacher_that_is_not_there_is_said(config: SftConfig, server: ScriptedServer) -> None:
    await server.refuse()
    problems = await asyncio.to_thread(check_sft, config)
    assert len(problems) == 1 and "the teacher at" in problems[0]


async def test_too_many_rows_without_a_reply_end_it_with_the_repair(config: SftConfig, server: ScriptedServer) -> None:
    server.default = error(500)
    with pytest.raises(DatasetError, match="most_unanswered"):
        await asyncio.to_thread(train_sft, config, shared_embedder())
