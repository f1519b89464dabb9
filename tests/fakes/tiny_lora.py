"""An adapter for the tiny random model (training/tiny.py), made on the spot."""

from __future__ import annotations

import json
from pathlib import Path

RANK = 8
HIDDEN, QUERIES = 128, 128
"""Of the tiny model."""


def make_lora(directory: Path, seed: int, layers: int) -> Path:
    """Write an adapter in PEFT's form that changes the tiny model's queries a little."""
    import torch
    from safetensors.torch import save_file

    directory.mkdir()
    torch.manual_seed(seed)
    tensors = {}
    for layer in range(layers):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors[f"{name}.lora_A.weight"] = torch.randn(RANK, HIDDEN)
        tensors[f"{name}.lora_B.weight"] = torch.randn(QUERIES, RANK) / 10
    save_file(tensors, directory / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "tiny",
        "r": RANK,
        "lora_alpha": 16,
        "target_modules": ["q_proj"],
        "bias": "none",
    }
    (directory / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return directory
