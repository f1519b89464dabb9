"""Policies for tests: adapters on disk, what registers them, and reports that open their gates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assistant.prompt import prompt_hash
from assistant.rollout.spec import PolicySpec, fingerprint


def adapter(directory: Path, content: str) -> Path:
    """A directory that stands for an adapter; scripted servers do not read it."""
    directory.mkdir(parents=True)
    (directory / "adapter_model.safetensors").write_text(content, encoding="utf-8")
    return directory


def spec(version: str, path: Path, *replicas: str, **changes: Any) -> PolicySpec:
    """A LoRA on these servers, trained with the prompt of this program."""
    values = {
        "version": version,
        "kind": "lora",
        "base": "base",
        "path": path,
        "replicas": replicas,
        "preset": "full",
        "prompt_hash": prompt_hash("full"),
    }
    return PolicySpec.model_validate({**values, **changes})


def evaluation(path: Path, baseline: str, low: float = 0.01, mean: float = 0.05, high: float = 0.09) -> dict[str, Any]:
    """An evaluation report of the files at `path`."""
    return {
        "format": "attune-evaluation/1",
        "policy_sha256": fingerprint(path),
        "baseline": baseline,
        "scored": 100,
        "unscored": 2,
        "difference": {"mean": mean, "low": low, "high": high},
    }


def safety(path: Path, *failures: str) -> dict[str, Any]:
    """A safety report of the files at `path`."""
    return {
        "format": "attune-safety/1",
        "policy_sha256": fingerprint(path),
        "set_sha256": "0" * 64,
        "cases": 20,
        "failures": [{"case": case, "reason": "it failed"} for case in failures],
    }
