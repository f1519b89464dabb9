"""Light commands stay light: what they import is looked at in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "chromadb", "mem0", "verl", "vllm", "sentence_transformers", "transformers", "openai", "onnxruntime")

LIGHT = (
    "import assistant.cli",
    "import assistant.config",
    "import assistant.wire",
    "import assistant.app",
    "import assistant.runtime",
    "import tui.app",
    "import tui.__main__",
    "import training.cli",
    "import memory.index, memory.embedder, memory.recall, memory.queue",
)


@pytest.mark.parametrize("statement", LIGHT)
def test_importing_it_brings_no_heavy_package(statement: str) -> None:
    look = f"{statement}; import sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["assistant.cli", "tui.__main__", "training.cli"])
def test_help_is_printed_without_heavy_packages(module: str) -> None:
    look = (
        f"import sys; sys.argv = ['attune', '--help']\n"
        f"from {module} import main\n"
        f"try: main()\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert "Usage" in found.stdout or "usage" in found.stdout
    assert found.stderr.strip() == "[]"
