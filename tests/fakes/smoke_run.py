"""What a short GRPO run of the real verl on the CPU needs: data set, judge's file, tiny model, configuration."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from training.example import Example
from training.grpo_config import load_grpo_config
from training.personaemp.dataset import Writer
from training.personaemp.identity import Identity
from training.personaemp.manifest import BuildInfo
from training.personaemp.split import SplitRule
from training.tiny import make_tiny_qwen3

CHECKOUT = Path(__file__).parents[2]


def write_data(directory: Path, examples: Iterable[Example]) -> Path:
    """Write a data set of these examples, at least 20 people's."""
    identity = Identity("set_smoke", "00" * 32, datetime(2026, 1, 1, tzinfo=UTC))
    with Writer.open(directory, identity) as writer:
        for one in examples:
            writer.add(one)
        writer.finish(SplitRule(ood=False), BuildInfo())
    return directory


def write_judge(work: Path, base_url: str, way: str, name: str = "judge.toml") -> Path:
    """Write the file of a judge at a scripted server; `way` holds the keys before its tables."""
    served = f"model = 'scripted'\nbase_url = '{base_url}'\nretries = 0\n"
    path = work / name
    path.write_text(
        f"{way}[endpoint]\n{served}[criteria.endpoint]\n{served}[limits]\nslots_dir = '{work / 'slots'}'\n",
        encoding="utf-8",
    )
    return path


def write_run(
    work: Path, data: Path, judge: Path, verl: Mapping[str, Mapping[str, Any]], out: str = "out", **attune: Any
) -> Path:
    """Write the configuration of the smoke run over these files; `verl` is laid over its tables, two levels deep."""
    run = load_grpo_config(CHECKOUT / "configs/grpo-smoke.yaml").model_dump(mode="json")
    run["attune"] |= {
        "data": str(data),
        "judge": str(judge),
        "out": str(work / out),
        "accept_failed_judge": True,
        "environment": str(CHECKOUT / ".venv-train"),
        **attune,
    }
    for table, keys in verl.items():
        for key, value in keys.items():
            inner = run["verl"][table].get(key)
            run["verl"][table][key] = {**inner, **value} if isinstance(inner, dict) else value
    run["verl"]["actor_rollout_ref"]["model"]["path"] = str(make_tiny_qwen3(work / "model"))
    # Ray's sockets need a short path.
    run["verl"]["ray_kwargs"] = {"ray_init": {"_temp_dir": tempfile.mkdtemp(prefix="ray-")}}
    path = work / f"{out}.yaml"
    path.write_text(yaml.safe_dump(run), encoding="utf-8")
    return path
