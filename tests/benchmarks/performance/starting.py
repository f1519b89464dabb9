"""From starting the backend to its answers, cold and warm, and what it holds in memory at rest.

Cold means that the files of the environment were put out of the page cache before, which is as after a boot; the
interpreter's own files are not among them. The first reply does not wait for the embedding model, so it comes before
`ready`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.performance.processes import answers, backend, client_of, model_server
from tests.benchmarks.performance.report import machine, told
from training.vllm_server import free_port

REST_S = 5.0
STEPS = ("answers_s", "first_reply_s", "ready_s")


async def measure(starts: int) -> dict[str, Any]:
    """Start once cold and some times warm."""
    found: dict[str, Any] = {"machine": machine()}
    async with model_server(free_port()) as model:
        evicted = await asyncio.to_thread(evict, Path(sys.prefix))
        found["evicted_files"] = evicted
        found["cold"] = await _start(model.url)
        await _start(model.url)
        found["warm"] = [await _start(model.url) for _ in range(starts)]
    return found


async def _start(model_url: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="attune-start-") as directory:
        home = Path(directory)
        async with backend(home, free_port(), model_url, {}) as running:
            seen = {"answers_s": await answers(running, "/healthz")}
            async with client_of(running, home) as client:
                conversation = (await client.post("/v1/conversations")).raise_for_status().json()["id"]
                said = await client.post(f"/v1/conversations/{conversation}/messages", json={"content": "Hello."})
                said.raise_for_status()
                seen["first_reply_s"] = time.monotonic() - running.started
            seen["ready_s"] = await answers(running, "/readyz", '"ready"')
            await asyncio.sleep(REST_S)
            seen["memory_at_rest_mib"] = running.memory_mib
    return {name: round(value, 2) for name, value in seen.items()}


def evict(directory: Path) -> int:
    """Put the files below a directory out of the page cache; returns how many."""
    number = 0
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)
            number += 1
    return number


def section(found: dict[str, Any]) -> str:
    """Return the section of the page."""
    names = [*STEPS, "memory_at_rest_mib"]
    warm = {name: median(one[name] for one in found["warm"]) for name in names}
    heads = ("answers `/healthz`", "first whole reply (0.4 s of it spoken)", "`ready`, all loaded", "memory at rest")
    rows = [
        "| " + " | ".join([name, *(f"{one[n]:.1f} s" for n in STEPS), f"{one['memory_at_rest_mib']:.0f} MiB"]) + " |"
        for name, one in (("cold", found["cold"]), (f"warm, median of {len(found['warm'])}", warm))
    ]
    return "\n".join(
        [
            "## Starting, and memory at rest",
            "",
            "`make bench ARGS=starting`. From the start of the process, with an empty data directory; the aim is 6 s",
            "to an answer. Memory is PSS, five seconds after everything was loaded.",
            "",
            f"{told(found['machine'])}",
            "",
            f"| | {' | '.join(heads)} |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )
