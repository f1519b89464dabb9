from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assistant.rollout.description import spec_of_directory
from tests.fakes.examples import examples
from training.describe import describe, weights_of
from training.errors import EngineError
from training.example import PromptMessage
from training.grpo_config import GrpoConfig
from training.personaemp.dataset import Writer
from training.personaemp.identity import Identity
from training.personaemp.manifest import BuildInfo
from training.personaemp.split import SplitRule


@pytest.fixture
def config(tmp_path: Path) -> GrpoConfig:
    with Writer.open(tmp_path / "data", Identity("set_one", "00" * 32, datetime(2026, 1, 1, tzinfo=UTC))) as writer:
        for one in examples(40, each=1):
            writer.add(replace(one, prompt=(PromptMessage(role="user", content="I am tired."),)))
        info = BuildInfo(preset="full", prompts={"serving": "abc"})
        writer.finish(SplitRule(ood=False), info)
    (tmp_path / "judge.toml").write_text('[endpoint]\nmodel = "judge"\n', encoding="utf-8")
    attune = {"data": tmp_path / "data", "judge": tmp_path / "judge.toml", "out": tmp_path / "out"}
    verl = {"actor_rollout_ref": {"model": {"path": "Qwen/Qwen3-8B"}}}
    return GrpoConfig.model_validate({"attune": attune, "verl": verl})


def weights(checkpoint: Path, name: str) -> Path:
    directory = checkpoint / "actor" / name
    directory.mkdir(parents=True)
    (directory / "model.safetensors").write_bytes(b"weights")
    return directory


@pytest.mark.parametrize(("name", "kind"), [("huggingface", "full"), ("lora_adapter", "lora")])
def test_what_training_left_can_be_registered(config: GrpoConfig, tmp_path: Path, name: str, kind: str) -> None:
    weights(tmp_path / "step", name)
    spec = spec_of_directory(describe(tmp_path / "step", config), version="v1", replica="http://127.0.0.1:9/v1")
    assert (spec.kind, spec.preset, spec.prompt_hash, spec.base) == (kind, "full", "abc", "Qwen/Qwen3-8B")
    assert spec.lineage.data_manifest and spec.lineage.judge and spec.lineage.config


def test_a_checkpoint_that_vllm_cannot_read_is_refused_with_the_repair(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="add hf_model"):
        weights_of(tmp_path)
