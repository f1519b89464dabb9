"""Time to the first token: the bare model server, Attune before it, and the loop of Mem0's quickstart before it.

A closed loop: each client says the next thing when it was answered. All three in turns within one run, on the same
model server, embedding model, people and facts. Ours counts only where recall completed; that share is said. The
quickstart's loop is search, answer, add; it is streamed here, so that it has a first token, each client in a thread.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from httpx_sse import aconnect_sse

from assistant import wire
from memory.config import EmbedderConfig
from memory.embedder import Embedder
from tests.benchmarks.performance.processes import Running, answers, backend, model_server
from tests.benchmarks.performance.report import machine, percentiles, told
from tests.benchmarks.performance.seeding import QUESTIONS, fill_mem0, seed
from training.vllm_server import free_port

AT_ONCE = (1, 8)
ROUNDS = 4
STAYS = 10
"""Turns of one person before a client is somebody else."""
AIM = {"p50": 25.0, "p95": 60.0}

Turn = Callable[[int, str, str], Awaitable[float | None]]
"""Client, person and message -> milliseconds to the first token; None where recall did not complete."""


@dataclass(slots=True)
class Counted:
    """The turns of one way with so many clients."""

    times: list[float] = field(default_factory=list)
    left_out: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the figures."""
        turns = len(self.times) + self.left_out
        share = round(len(self.times) / turns, 4) if turns else 0.0
        return {"turns": turns, "completed": share, **(percentiles(self.times) if self.times else {})}


async def measure(people: int, facts_each: int, turns: int) -> dict[str, Any]:
    """Measure all ways with one client and with eight; `turns` of each."""
    found: dict[str, Any] = {"machine": machine(), "people": people, "facts": people * facts_each}
    with tempfile.TemporaryDirectory(prefix="attune-first-token-") as directory:
        home = Path(directory) / "home"
        secret, given = await seed(home, people, facts_each)
        async with model_server(free_port()) as model, backend(home, free_port(), model.url, {}) as ours:
            mem0 = await asyncio.to_thread(_mem0, Path(directory) / "mem0", model.url)
            await asyncio.to_thread(fill_mem0, mem0, given)
            await answers(ours, "/readyz", '"ready"')
            with ThreadPoolExecutor(max(AT_ONCE)) as threads:
                async with httpx.AsyncClient(timeout=300, trust_env=False) as client:
                    ways = {
                        "bare": _bare(client, model),
                        "attune": attune_turn(client, ours, secret),
                        "mem0": _quickstart(threads, mem0, model),
                    }
                    for at_once in AT_ONCE:
                        found[f"clients_{at_once}"] = await _compare(ways, at_once, people, turns)
            found["memory_under_load_mib"] = ours.memory_mib
    return found


async def _compare(ways: dict[str, Turn], at_once: int, people: int, turns: int) -> dict[str, Any]:
    counted = {name: Counted() for name in ways}
    each = max(1, turns // ROUNDS // at_once)
    for number in range(-1, ROUNDS):
        for name, turn in ways.items():
            kept = counted[name] if number >= 0 else Counted()  # the first round warms up
            clients = [say_turns(at, turn, kept, people, each if number >= 0 else 2) for at in range(at_once)]
            await asyncio.gather(*clients)
            print(f"  {at_once} at once, round {number + 1} of {ROUNDS}, {name}: {kept.as_dict()}", flush=True)  # noqa: T201
    figures = {name: one.as_dict() for name, one in counted.items()}
    for name in ("attune", "mem0"):
        for at in ("p50", "p95"):
            if at in figures[name]:
                figures[name][f"added_{at}"] = round(figures[name][at] - figures["bare"][at], 1)
    return figures


async def say_turns(at: int, turn: Turn, counted: Counted, people: int, turns: int) -> None:
    """Have one client say so much, as one person and then as another."""
    chance = random.Random(at * 1_000 + len(counted.times))
    for number in range(turns):
        if number % STAYS == 0:
            person = f"p{chance.randrange(people)}"
        taken = await turn(at, person, f"{chance.choice(QUESTIONS)} I ask for time {chance.random():.9f}.")
        if taken is None:
            counted.left_out += 1
        else:
            counted.times.append(taken)


def _bare(client: httpx.AsyncClient, model: Running) -> Turn:
    async def turn(_at: int, _person: str, message: str) -> float:
        body = {"model": "scripted", "stream": True, "messages": [{"role": "user", "content": message}]}
        begun, first = time.perf_counter(), 0.0
        async with aconnect_sse(client, "POST", f"{model.url}/v1/chat/completions", json=body) as source:
            async for frame in source.aiter_sse():
                if not first and "word" in frame.data:
                    first = time.perf_counter()
        return (first - begun) * 1000

    return turn


def attune_turn(client: httpx.AsyncClient, ours: Running, secret: str) -> Turn:
    """Say something to the backend as one of the people that its home was filled with."""
    conversations: dict[tuple[int, str], str] = {}

    async def turn(at: int, person: str, message: str) -> float | None:
        headers = {"authorization": f"Bearer {secret}", "x-user-id": person}
        if (at, person) not in conversations:
            made = await client.post(f"{ours.url}/v1/conversations", headers=headers)
            conversations[at, person] = made.raise_for_status().json()["id"]
        path = f"{ours.url}/v1/conversations/{conversations[at, person]}/messages"
        body = {"content": message, "stream": True}
        begun, first, status = time.perf_counter(), 0.0, ""
        async with aconnect_sse(client, "POST", path, json=body, headers=headers) as source:
            source.response.raise_for_status()
            async for frame in source.aiter_sse():
                event = wire.EVENT.validate_json(frame.data)
                if isinstance(event, wire.ContextUsed):
                    status = event.status
                elif isinstance(event, wire.Delta) and not first:
                    first = time.perf_counter()
                elif isinstance(event, wire.StreamError):
                    raise RuntimeError(event.error.message)
        return (first - begun) * 1000 if status == "ok" else None

    return turn


def _mem0(directory: Path, model_url: str) -> Any:
    """A Mem0 as its quickstart makes one, on our embedding model, a Chroma of its own, and the model server."""
    import os

    os.environ.update(MEM0_TELEMETRY="False", MEM0_DIR=str(directory))
    from mem0 import Memory

    model = str(Embedder(EmbedderConfig(), directory).directory)
    llm = {"model": "scripted", "api_key": "none", "openai_base_url": f"{model_url}/v1"}
    return Memory.from_config(
        {
            "llm": {"provider": "openai", "config": llm},
            "embedder": {"provider": "huggingface", "config": {"model": model}},
            "vector_store": {"provider": "chroma", "config": {"collection_name": "mem0", "path": str(directory / "c")}},
            "history_db_path": str(directory / "history.db"),
        }
    )


def _quickstart(threads: ThreadPoolExecutor, memory: Any, model: Running) -> Turn:
    from openai import OpenAI

    client = OpenAI(base_url=f"{model.url}/v1", api_key="none")

    def loop(person: str, message: str) -> float:
        begun, first, said = time.perf_counter(), 0.0, ""
        found = memory.search(query=message, filters={"user_id": person}, top_k=3)
        memories = "\n".join(f"- {entry['memory']}" for entry in found["results"])
        system = f"You are a helpful AI. Answer the question based on query and memories.\nUser Memories:\n{memories}"
        messages: list[Any] = [{"role": "system", "content": system}, {"role": "user", "content": message}]
        for chunk in client.chat.completions.create(model="scripted", messages=messages, stream=True):
            text = (chunk.choices[0].delta.content or "") if chunk.choices else ""
            if text and not first:
                first = time.perf_counter()
            said += text
        memory.add([*messages, {"role": "assistant", "content": said}], user_id=person)
        return (first - begun) * 1000

    async def turn(_at: int, person: str, message: str) -> float:
        return await asyncio.get_running_loop().run_in_executor(threads, loop, person, message)

    return turn


def section(found: dict[str, Any]) -> str:
    """Return the section of the page."""
    names = {"bare": "the bare model server", "attune": "Attune", "mem0": "Mem0's quickstart loop"}
    rows = []
    for at_once in AT_ONCE:
        for name, one in found[f"clients_{at_once}"].items():
            added = " | ".join(f"{one[f'added_{at}']:+.1f}" if f"added_{at}" in one else "" for at in ("p50", "p95"))
            measured = " | ".join(f"{one[at]:.1f}" if at in one else "–" for at in ("p50", "p95"))
            share = f"{one['completed']:.1%}" if name == "attune" else ""
            rows.append(f"| {at_once} | {names[name]} | {measured} | {added} | {one['turns']} | {share} |")
    reached = [found["clients_8"]["attune"].get(f"added_{at}", float("inf")) <= AIM[at] for at in AIM]
    return "\n".join(
        [
            "## Time to the first token",
            "",
            "`make bench ARGS=first-token`. Milliseconds from sending a message to the first word of the reply, in a",
            f"closed loop; {found['people']:,} people, {found['facts']:,} facts. The same scripted model server,",
            "embedding model and facts, in turns within one run. Ours counts only turns whose recall completed.",
            "",
            told(found["machine"]),
            "",
            "| clients | | p50 | p95 | added p50 | added p95 | turns | recall completed |",
            "|---:|---|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
            f"The aim at 8 clients is at most {AIM['p50']:.0f} ms more at p50 and {AIM['p95']:.0f} at p95: "
            f"{'reached' if all(reached) else 'not reached'}. Memory of the backend under this load: "
            f"{found['memory_under_load_mib']:.0f} MiB.",
        ]
    )
