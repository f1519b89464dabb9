"""What a measurement leaves: JSON with the machine it was made on, and its section of docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np


def machine() -> dict[str, Any]:
    """Name this machine, and how busy it is with other things just now."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "name": platform.node(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30), 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def told(found: dict[str, Any]) -> str:
    """Say in one line where it was measured."""
    busy = f"; load {found['load_before']} before" + (
        ", **other programs were running**" if found["load_before"] > 0.5 else ""
    )
    return f"{found['cpu']}, {found['cores']} cores, {found['memory_gib']} GiB, {found['at'][:10]}{busy}."


def percentiles(values: list[float]) -> dict[str, float]:
    """Return p50 and p95, rounded to a tenth."""
    return {f"p{at}": round(float(np.percentile(values, at)), 1) for at in (50, 95)}


def save(name: str, found: dict[str, Any], out: Path) -> Path:
    """Write a measurement as JSON."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.json"
    path.write_text(json.dumps(found, indent=2), encoding="utf-8")
    return path


def put(name: str, section: str, page: Path) -> None:
    """Put a section in the place of the one of the same name on a page, or at its end."""
    begin, end = f"<!-- performance {name}: begin -->", f"<!-- performance {name}: end -->"
    old, whole = page.read_text(encoding="utf-8"), f"{begin}\n{section.strip()}\n{end}"
    if begin in old and end in old:
        head, rest = old.split(begin, 1)
        new = head + whole + rest.split(end, 1)[1]
    else:
        new = f"{old.rstrip()}\n\n{whole}\n"
    page.write_text(new, encoding="utf-8")
