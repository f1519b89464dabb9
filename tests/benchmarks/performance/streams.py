"""How many replies can stream at once, and a soak at half of that.

Rung by rung, so many clients each say the next thing as soon as they were answered, before the bare model server and
before Attune; replies are long, so that nearly all of them are streaming at any time. The last rung whose added time to
the first token stays below the limit is the answer. Clients and model server share the cores with the backend. The soak
then watches memory, files, threads and latency.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from assistant.progress import bar
from tests.benchmarks.performance.processes import Running, answers, backend, model_server
from tests.benchmarks.performance.report import machine, percentiles, told
from tests.benchmarks.performance.seeding import QUESTIONS, seed
from training.vllm_server import free_port

RUNGS = (8, 16, 24, 32, 40, 48, 64, 80, 96, 128)
LIMIT_MS = 100.0
"""For what is added to the first token at p95."""
WORDS = 200
"""Of a reply: four seconds."""
HOLD_S = 20.0
WINDOWS = 20
"""The soak is told in so many parts."""
PEOPLE, FACTS_EACH = 128, 100

Stream = Callable[[int, int], Awaitable[float]]
"""Client and number of the turn -> milliseconds to the first token, after the whole reply."""


async def measure(soak_s: float) -> dict[str, Any]:
    """Climb the rungs, then soak."""
    found: dict[str, Any] = {"machine": machine(), "rungs": []}
    with tempfile.TemporaryDirectory(prefix="attune-streams-") as directory:
        home = Path(directory) / "home"
        secret, _ = await seed(home, PEOPLE, FACTS_EACH)
        settings = {"ATTUNE_SERVER__REPLIES_AT_ONCE": str(RUNGS[-1])}
        async with model_server(free_port(), WORDS) as model, backend(home, free_port(), model.url, settings) as ours:
            await answers(ours, "/readyz", '"ready"')
            limits = httpx.Limits(max_connections=None)
            async with httpx.AsyncClient(timeout=300, trust_env=False, limits=limits) as client:
                ways = {"bare": _bare(client, model), "attune": _attune(client, ours, secret)}
                await _at_once(ways["attune"], RUNGS[0], 2 * WORDS / 50)  # warms up
                found["streams"] = await _climb(ways, found["rungs"], ours)
                if found["streams"] and soak_s:
                    found["soak"] = await _soak(ways["attune"], found["streams"] // 2, soak_s, ours)
    return found


async def _climb(ways: dict[str, Stream], rungs: list[dict[str, Any]], ours: Running) -> int:
    """Return the most streams that stay below the limit."""
    reached = 0
    for at_once in RUNGS:
        rung: dict[str, Any] = {"at_once": at_once}
        for name, stream in ways.items():
            spent, begun = ours.cpu_s, time.monotonic()
            times = await _at_once(stream, at_once, HOLD_S)
            rung[name] = percentiles(times) | {"turns": len(times)}
            rung[f"cores_{name}"] = round((ours.cpu_s - spent) / (time.monotonic() - begun), 2)
        rung["added_p95"] = round(rung["attune"]["p95"] - rung["bare"]["p95"], 1)
        rungs.append(rung)
        print(f"  {rung}", flush=True)  # noqa: T201
        if rung["added_p95"] >= LIMIT_MS:
            break
        reached = at_once
    return reached


async def _at_once(stream: Stream, clients: int, seconds: float) -> list[float]:
    """Return the times to the first token of so many clients in a closed loop."""
    times: list[float] = []
    until = time.monotonic() + seconds

    async def one(at: int) -> None:
        number = 0
        await asyncio.sleep(at / clients * WORDS / 50)  # not all begin at the same moment
        while time.monotonic() < until:
            times.append(await stream(at, number))
            number += 1

    await asyncio.gather(*(one(at) for at in range(clients)))
    return times


async def _soak(stream: Stream, clients: int, seconds: float, ours: Running) -> dict[str, Any]:
    windows: list[dict[str, Any]] = []
    with bar() as show:
        for number in range(WINDOWS):
            times = await _at_once(stream, clients, seconds / WINDOWS)
            seen = {"memory_mib": ours.memory_mib, "files": ours.files, "threads": ours.threads}
            windows.append(seen | percentiles(times) | {"turns": len(times)})
            show({"phase": f"soak of {clients} streams", "done": number + 1, "total": WINDOWS})
    return {"clients": clients, "seconds": seconds, "windows": windows}


def _bare(client: httpx.AsyncClient, model: Running) -> Stream:
    async def stream(at: int, number: int) -> float:
        said = [{"role": "user", "content": f"{QUESTIONS[at % len(QUESTIONS)]} {number}"}]
        body = {"model": "scripted", "stream": True, "messages": said}
        return await _first(client, f"{model.url}/v1/chat/completions", body, {}, b"word")

    return stream


def _attune(client: httpx.AsyncClient, ours: Running, secret: str) -> Stream:
    conversations: dict[int, str] = {}

    async def stream(at: int, number: int) -> float:
        headers = {"authorization": f"Bearer {secret}", "x-user-id": f"p{at}"}
        if number == 0 or at not in conversations:
            made = await client.post(f"{ours.url}/v1/conversations", headers=headers)
            conversations[at] = made.raise_for_status().json()["id"]
        path = f"{ours.url}/v1/conversations/{conversations[at]}/messages"
        body = {"content": f"{QUESTIONS[at % len(QUESTIONS)]} I ask at {time.time():.6f}.", "stream": True}
        return await _first(client, path, body, headers, b"event: delta")

    return stream


async def _first(client: httpx.AsyncClient, path: str, body: Any, headers: dict[str, str], mark: bytes) -> float:
    """Read a whole stream; bytes are looked through only until the first token, so that clients cost little."""
    begun, first = time.perf_counter(), 0.0
    seen = b""
    async with client.stream("POST", path, json=body, headers=headers) as answer:
        answer.raise_for_status()
        async for part in answer.aiter_raw():
            if not first:
                seen += part
                if mark in seen:
                    first = time.perf_counter()
    if not first:
        raise RuntimeError(f"a reply without a word: {seen[-300:]!r}")
    return (first - begun) * 1000


def section(found: dict[str, Any]) -> str:
    """Return the section of the page."""
    rows = [
        f"| {one['at_once']} | {one['bare']['p95']:.1f} | {one['attune']['p50']:.1f} | {one['attune']['p95']:.1f} | "
        f"{one['added_p95']:+.1f} | {one['attune']['turns']} | {one['cores_attune']:.2f} |"
        for one in found["rungs"]
    ]
    lines = [
        "## Replies streaming at once",
        "",
        f"`make bench ARGS=streams`. Replies of {WORDS} words at fifty a second, in a closed loop; people with "
        f"{FACTS_EACH} facts.",
        "Clients, model server and backend share the cores. Milliseconds to the first token; cores are the backend's.",
        "",
        told(found["machine"]),
        "",
        "| streams | bare p95 | p50 | p95 | added p95 | turns | cores |",
        "|---:|---:|---:|---:|---:|---:|---:|",
        *rows,
        "",
        f"Below {LIMIT_MS:.0f} ms added at p95: **{found['streams']} streams**.",
    ]
    return "\n".join([*lines, *_soaked(found["soak"])] if "soak" in found else lines)


def _soaked(soak: dict[str, Any]) -> list[str]:
    quarter = max(1, len(soak["windows"]) // 4)
    ends = {"first": soak["windows"][quarter : 2 * quarter], "last": soak["windows"][-quarter:]}
    names = ("p50", "p95", "memory_mib", "files", "threads")
    rows = [
        f"| {which} quarter | " + " | ".join(f"{np.mean([one[name] for one in part]):.1f}" for name in names) + " |"
        for which, part in (("second", ends["first"]), ("last", ends["last"]))
    ]
    turns = sum(one["turns"] for one in soak["windows"])
    return [
        "",
        f"{soak['seconds'] / 60:.0f} minutes of {soak['clients']} streams, {turns:,} turns:",
        "",
        "| | first token p50 ms | p95 ms | memory MiB | files | threads |",
        "|---|---:|---:|---:|---:|---:|",
        *rows,
    ]
