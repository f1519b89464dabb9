"""What training leaves beside the weights, so that they can be registered: base, kind, prompt, origin.

Serving refuses a policy under another prompt than the one that its data set was made with; that is why the hash is
taken from the manifest, not from the code as it is now.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from assistant.rollout.spec import DESCRIPTION
from training.adapter import ADAPTER
from training.errors import EngineError
from training.grpo_config import GrpoConfig
from training.peregrm.config import load_judge_config
from training.peregrm.judge import judge_identity
from training.personaemp.manifest import read_manifest


def weights_of(actor: Path) -> Path:
    """Return where a checkpoint's weights lie in a form that vLLM reads: the adapter, else the whole model.

    Raises:
        EngineError: neither is there.
    """
    for name in (ADAPTER, "huggingface"):
        found = actor / name
        if list(found.glob("*.safetensors")):
            return found
    raise EngineError(
        f"{actor} holds no weights that vLLM reads: add hf_model to save_contents of the checkpoint in verl's settings"
    )


def describe(checkpoint: Path, config: GrpoConfig) -> Path:
    """Write the description beside the weights, and return the directory to register.

    Raises:
        EngineError: the checkpoint holds no weights that vLLM reads.
        TrainingError: the data set or the judge's file is gone.
    """
    weights, run = weights_of(checkpoint / "actor"), config.attune
    judge = judge_identity(load_judge_config(run.judge))
    write_description(weights, config.base_model, run.data, run.out, config.model_dump_json(), judge)
    return weights


def write_description(weights: Path, base: str, data: Path, run: Path, config: str, judge: str | None = None) -> None:
    """Write what a policy is beside its weights; `config` is the whole configuration as text.

    Raises:
        DatasetError: the data set is gone.
    """
    manifest = read_manifest(data)
    told: dict[str, Any] = {
        "base": base,
        "kind": "lora" if weights.name == ADAPTER else "full",
        "preset": manifest.build.preset,
        "prompt_hash": manifest.build.prompts.get("serving", ""),
        "lineage": {
            "data_manifest": manifest.sha256(),
            "judge": judge,
            "config": hashlib.sha256(config.encode()).hexdigest(),
            "run": str(run.absolute()),
        },
    }
    (weights / DESCRIPTION).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
