"""The adapter of a LoRA run in the form that vLLM loads: taken out of verl's checkpoint by verl's own merger.

verl keeps the adapter among the sharded weights of the whole model. Its merger writes the adapter and the base model;
only the adapter is kept. It runs in verl's environment and on the CPU, and needs disk for the base model meanwhile.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from training.child import child, tail
from training.errors import EngineError

ADAPTER = "lora_adapter"


def export_adapter(actor: Path, python: Path, environment: Mapping[str, str], log: Path) -> Path:
    """Return the directory of the adapter of a checkpoint, written if it is not there yet.

    Raises:
        EngineError: verl's merger failed, or the checkpoint holds no adapter; its log's end is quoted.
    """
    kept, work = actor / ADAPTER, actor / "merged.partial"
    if kept.is_dir():
        return kept
    shutil.rmtree(work, ignore_errors=True)
    command = [
        *(str(python), "-m", "verl.model_merger", "merge", "--backend", "fsdp"),
        *("--local_dir", str(actor), "--target_dir", str(work)),
    ]
    try:
        with child("verl's merger", command, log=log, environment=environment, cwd=actor) as merger:
            merger.process.wait()
        if merger.process.returncode or not (work / ADAPTER / "adapter_model.safetensors").is_file():
            raise EngineError(f"no adapter could be taken out of {actor}:\n{tail(log)}")
        os.replace(work / ADAPTER, kept)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return kept
