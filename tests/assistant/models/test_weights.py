from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.errors import ModelRefusedError
from assistant.models.weights import cached, cached_models, find, is_here


def put_into_cache(cache: Path, name: str, files: dict[str, str]) -> Path:
    """Lay out one model the way the hub's cache does."""
    repo = cache / f"models--{name.replace('/', '--')}"
    snapshot = repo / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0" * 40)
    for file, content in files.items():
        (snapshot / file).write_text(content)
    return snapshot


def test_a_directory_is_taken_as_it_is(tiny_model: Path) -> None:
    assert find(str(tiny_model)) == tiny_model
    assert is_here(str(tiny_model))


@pytest.mark.parametrize(
    ("file", "words"), [("notes.txt", "holds no Transformers model"), ("adapter_config.json", "merge the adapter")]
)
def test_a_directory_without_a_model_is_refused_with_the_repair(tmp_path: Path, file: str, words: str) -> None:
    (tmp_path / file).write_text("{}")
    with pytest.raises(ModelRefusedError, match=words):
        find(str(tmp_path))


def test_a_directory_that_is_not_there_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match=r"reflect\.model names the directory .*, which does not exist"):
        find(str(tmp_path / "gone"), role="reflect")


def test_a_model_in_the_cache_is_found_without_the_hub(tmp_path: Path) -> None:
    language = json.dumps({"architectures": ["Qwen3ForCausalLM"]})
    snapshot = put_into_cache(tmp_path, "some/chat", {"config.json": language, "model.safetensors": ""})
    put_into_cache(
        tmp_path, "some/encoder", {"config.json": '{"architectures": ["BertModel"]}', "model.safetensors": ""}
    )
    put_into_cache(tmp_path, "some/half", {"config.json": language})
    assert cached("some/chat", tmp_path) == snapshot
    assert cached("some/half", tmp_path) is None
    assert cached("some/other", tmp_path) is None
    assert cached("not a hub id", tmp_path) is None
    assert cached_models(tmp_path) == ["some/chat"]
    assert cached_models(tmp_path / "no-cache") == []


def test_without_the_hub_a_missing_model_is_told_with_three_repairs(tmp_path: Path) -> None:
    program = "\n".join(
        [
            "from assistant.errors import ModelUnreachableError",
            "from assistant.models.weights import find",
            "try:",
            "    find('nobody/never')",
            "except ModelUnreachableError as error:",
            "    print(error)",
        ]
    )
    environ = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    told = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    for words in ("'nobody/never'", "hub cannot be reached", "set policy.model to its directory", "policy.base_url"):
        assert words in told.stdout
