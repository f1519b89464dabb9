"""The download of a small model, from a hub on this machine."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from assistant.errors import ModelRefusedError, ModelUnreachableError
from assistant.models.starter import fetch
from assistant.models.weights import cached
from tests.fakes.hub_server import hub

NAME = "some/small"
FILES = {
    "config.json": b'{"architectures": ["Qwen3ForCausalLM"]}',
    "tokenizer.json": b"{}",
    "model-1.safetensors": b"v" * 400_000,
    "model-2.safetensors": b"w" * 400_000,
    "onnx/model.onnx": b"x" * 900_000,
}
WANTED = sum(len(content) for name, content in FILES.items() if not name.startswith("onnx"))


def files_below(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


async def test_a_download_says_how_far_it_is_and_leaves_a_model_that_is_found(tmp_path: Path) -> None:
    last = threading.Event()
    with hub(NAME, FILES, held={"model-2.safetensors": last}) as address:
        seen = []
        async for step in fetch(NAME, endpoint=address, cache=tmp_path):
            seen.append(step)
            if step.done >= 400_000:
                last.set()
    assert {step.total for step in seen} == {WANTED}
    assert [step.done for step in seen] == sorted(step.done for step in seen)
    assert any(0 < step.done < WANTED for step in seen)
    assert seen[-1].done == WANTED
    assert cached(NAME, tmp_path) is not None
    assert not any("onnx" in str(path) for path in files_below(tmp_path))
    assert [step async for step in fetch(NAME, endpoint=address, cache=tmp_path)] == []


async def test_a_hub_that_cannot_be_reached_is_said_with_the_repair(tmp_path: Path) -> None:
    with pytest.raises(ModelUnreachableError, match="hub cannot be reached"):
        async for _ in fetch(NAME, endpoint="http://127.0.0.1:9", cache=tmp_path):
            pass


async def test_a_model_without_weights_is_refused(tmp_path: Path) -> None:
    with (
        hub(NAME, {"config.json": b"{}"}) as address,
        pytest.raises(ModelRefusedError, match="holds no weights"),
    ):
        async for _ in fetch(NAME, endpoint=address, cache=tmp_path):
            pass
