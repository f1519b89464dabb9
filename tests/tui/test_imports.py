"""The first frame is drawn before anything heavy is imported; looked at in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = (
    "torch",
    "chromadb",
    "mem0",
    "openai",
    "transformers",
    "sentence_transformers",
    "httpx",
    "pydantic",
    "sqlalchemy",
)


def loaded_by(statement: str) -> str:
    look = f"{statement}; import sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def test_importing_the_app_pulls_nothing_heavy() -> None:
    assert loaded_by("import tui.app") == "[]"


def test_importing_the_plain_mode_pulls_nothing_heavy_and_no_textual() -> None:
    assert loaded_by("import tui.plain, tui.__main__, sys; assert 'textual' not in sys.modules") == "[]"


def test_only_the_transport_knows_httpx() -> None:
    sources = Path(__file__).parents[2].joinpath("tui").rglob("*.py")
    assert [path.name for path in sources if "import httpx" in path.read_text(encoding="utf-8")] == ["transport.py"]


def test_of_the_backend_only_the_wire_format_is_imported() -> None:
    for path in Path(__file__).parents[2].joinpath("tui").rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]) and words[1].split(".")[0] in ("assistant", "memory", "training"):
                assert line.strip().startswith("from assistant import wire"), f"{path}: {line}"
