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


def weights_of(checkpoint: Path) -> Path:
    """Return where a checkpoint's weights lie in a form that vLLM reads: the adapter, else the whole model.

    Raises:
        EngineError: neither is there.
    """
    for name in (ADAPTER, "huggingface"):
        found = checkpoint / "actor" / name
        if list(found.glob("*.safetensors")):
            return found
    raise EngineError(
        f"{checkpoint / 'actor'} holds no weights that vLLM reads: add hf_model to "
        "verl.actor_rollout_ref.actor.checkpoint.save_contents"
    )


def describe(checkpoint: Path, config: GrpoConfig) -> Path:
    """Write the description beside the weights, and return the directory to register.

    Raises:
        EngineError: the checkpoint holds no weights that vLLM reads.
        TrainingError: the data set or the judge's file is gone.
    """
    weights = weights_of(checkpoint)
    manifest = read_manifest(config.attune.data)
    told: dict[str, Any] = {
        "base": config.base_model,
        "kind": "lora" if weights.name == ADAPTER else "full",
        "preset": manifest.build.preset,
        "prompt_hash": manifest.build.prompts.get("serving", ""),
        "lineage": {
            "data_manifest": manifest.sha256(),
            "judge": judge_identity(load_judge_config(config.attune.judge)),
            "config": hashlib.sha256(config.model_dump_json().encode()).hexdigest(),
            "run": str(config.attune.out.absolute()),
        },
    }
    (weights / DESCRIPTION).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return weights
