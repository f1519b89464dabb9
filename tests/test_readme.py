"""The README tells the truth: its tree is the tree, its links lead somewhere, its commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FOLDERS = ("assistant", "memory", "training", "tui", "tests", "configs", "docs")


def test_the_tree_names_every_folder_and_no_other() -> None:
    named = re.findall(r"^    (\w+)/ {2,}", README, re.MULTILINE)
    assert tuple(named) == FOLDERS
    assert all((ROOT / folder).is_dir() for folder in FOLDERS)


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))])
def test_every_link_to_a_file_leads_to_it(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_every_make_target_it_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"make ([a-z-]+)", README)) - {"you"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("command", sorted(set(re.findall(r"attune ((?:import |keys |models )?[a-z]+)", README))))
def test_every_attune_command_it_names_exists(command: str) -> None:
    run = [sys.executable, "-m", "assistant.cli", *command.split(), "--help"]
    assert subprocess.run(run, cwd=ROOT, capture_output=True, check=False).returncode == 0, command
