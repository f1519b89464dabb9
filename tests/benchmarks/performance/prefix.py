"""How much of a prompt the real vLLM finds in its prefix cache, and how much if memories stood in the system text.

Needs `make setup-serve`. People talk over several turns with the backend, whose model is a tiny random one on the CPU;
a relay between the two passes requests on as they are, or moves the block of memories into the system text first. Each
way has people, and with them a cache salt, of its own. Words are made up, so shares count, not the absolute numbers.
"""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from assistant.rollout.vllm import SERVE_PYTHON
from tests.benchmarks.performance.processes import Running, answers, backend
from tests.benchmarks.performance.report import machine, told
from tests.benchmarks.performance.seeding import QUESTIONS, seed
from training.tiny import make_tiny_qwen3
from training.vllm_server import VllmServer, free_port, run_vllm

WAYS = ("as composed", "memories in the system text")
PEOPLE, FACTS_EACH = 4, 100
AIM = 0.8
_BLOCK = re.compile(r"<memories>\n.*?</memories>\n\n", re.DOTALL)


async def measure(turns: int) -> dict[str, Any]:
    """Talk in both ways; each person says so many things."""
    found: dict[str, Any] = {"machine": machine(), "turns": turns, "people": PEOPLE}
    with tempfile.TemporaryDirectory(prefix="attune-prefix-") as directory:
        work = Path(directory)
        weights = await asyncio.to_thread(make_tiny_qwen3, work / "model", 4, 8, endless=True)
        with run_vllm(weights, python=SERVE_PYTHON, log=work / "vllm.log", context_tokens=32768) as server:
            for way in WAYS:
                found[way] = await _talk(work / way.replace(" ", "-"), server, turns, moved=way != WAYS[0])
    return found


async def _talk(home: Path, server: VllmServer, turns: int, *, moved: bool) -> list[dict[str, Any]]:
    """Return for each turn what share of its prompt tokens came from the cache."""
    secret, _ = await seed(home, PEOPLE, FACTS_EACH)
    settings = {
        "ATTUNE_POLICY__MODEL": server.model,
        "ATTUNE_POLICY__CONTEXT_TOKENS": str(server.context_tokens),
        "ATTUNE_POLICY__MAX_TOKENS": "120",
        "ATTUNE_POLICY__TEMPERATURE": "0",
        "ATTUNE_SERVER__WORKER": "false",
    }
    rows = []
    async with relay(server, moved=moved) as url, backend(home, free_port(), url, settings) as ours:
        await answers(ours, "/readyz", '"ready"')
        async with httpx.AsyncClient(base_url=ours.url, timeout=300, trust_env=False) as client:
            said = [await _begin(client, secret, person) for person in range(PEOPLE)]
            for number in range(turns):
                before = await _counted(server)
                for person, conversation in enumerate(said):
                    await _say(client, secret, person, conversation, number)
                now = await _counted(server)
                asked, hits = (int(now[at] - before[at]) for at in (0, 1))
                rows.append({"turn": number + 1, "prompt_tokens": asked // PEOPLE, "hit": round(hits / asked, 4)})
                print(f"  {'moved' if moved else 'composed'} {rows[-1]}", flush=True)  # noqa: T201
    return rows


async def _begin(client: httpx.AsyncClient, secret: str, person: int) -> str:
    answer = await client.post("/v1/conversations", headers=_who(secret, person))
    return str(answer.raise_for_status().json()["id"])


async def _say(client: httpx.AsyncClient, secret: str, person: int, conversation: str, number: int) -> None:
    chance = random.Random(person * 1_000 + number)
    text = f"{chance.choice(QUESTIONS)} I have thought about it since {chance.randrange(2, 90)} days, and I am tired."
    path = f"/v1/conversations/{conversation}/messages"
    (await client.post(path, json={"content": text}, headers=_who(secret, person))).raise_for_status()


def _who(secret: str, person: int) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}", "x-user-id": f"p{person}"}


async def _counted(server: VllmServer) -> tuple[float, float]:
    """Return the prompt tokens looked up and found so far, by vLLM's own count."""
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(server.metrics_url)).raise_for_status().text
    names = ("prefix_cache_queries_total", "prefix_cache_hits_total")
    found = [re.findall(rf"^vllm:{name}\{{.*\}} (\S+)$", text, re.MULTILINE) for name in names]
    return sum(map(float, found[0])), sum(map(float, found[1]))


@asynccontextmanager
async def relay(server: VllmServer, *, moved: bool) -> AsyncIterator[str]:
    """Pass requests on to a server, if `moved` with the memories in the system text; yields the relay's address."""
    target = server.base_url.removesuffix("/v1")
    async with httpx.AsyncClient(timeout=300, trust_env=False) as client:

        async def models(request: Request) -> Response:
            answer = await client.get(target + request.url.path)
            return Response(answer.content, answer.status_code, media_type=answer.headers["content-type"])

        async def chat(request: Request) -> Response:
            body = await request.json()
            if moved:
                move_memories(body["messages"])
            sent = client.build_request("POST", target + request.url.path, json=body)
            answer = await client.send(sent, stream=True)
            kind = answer.headers["content-type"]
            return StreamingResponse(answer.aiter_raw(), answer.status_code, media_type=kind)

        routes = [Route("/v1/models", models), Route("/v1/chat/completions", chat, methods=["POST"])]
        port = free_port()
        config = uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="warning")
        running = uvicorn.Server(config)
        task = asyncio.create_task(running.serve())
        try:
            await answers(Running(f"http://127.0.0.1:{port}", 0, asyncio.get_running_loop().time()), "/v1/models")
            yield f"http://127.0.0.1:{port}"
        finally:
            running.should_exit = True
            await task


def move_memories(messages: list[dict[str, str]]) -> None:
    """Put the block of memories from the newest message to the end of the system text."""
    newest, system = messages[-1], messages[0]
    block = _BLOCK.search(newest["content"])
    if block is not None:
        newest["content"] = newest["content"].replace(block[0], "", 1)
        system["content"] += f"\n\n{block[0].strip()}"


def overall(rows: list[dict[str, Any]]) -> float:
    """Return the share over all turns, the first of which can find nothing of its own."""
    return float(sum(one["hit"] * one["prompt_tokens"] for one in rows) / sum(one["prompt_tokens"] for one in rows))


def section(found: dict[str, Any]) -> str:
    """Return the section of the page."""
    composed, moved = (found[way] for way in WAYS)
    rows = [
        f"| {one['turn']} | "
        + " | ".join(f"{way['prompt_tokens']:,} | {way['hit']:.0%}" for way in (one, other))
        + " |"
        for one, other in zip(composed, moved, strict=True)
    ]
    return "\n".join(
        [
            "## The model's prefix cache",
            "",
            f"`make bench ARGS=prefix`. {found['people']} people talk over {found['turns']} turns each, counted by",
            "vLLM itself (CPU, a tiny random model). A prompt grows by appending: memories stand beside the newest",
            "words and never enter the history. Beside it the same with memories at the end of the system text, where",
            "the first of them that changes makes everything after it new.",
            "",
            told(found["machine"]),
            "",
            "| turn | prompt tokens | from the cache | memories in the system text: tokens | from the cache |",
            "|---:|---:|---:|---:|---:|",
            *rows,
            "",
            f"Over all turns {overall(composed):.0%} against {overall(moved):.0%}; the aim of {AIM:.0%} is "
            f"{'reached' if overall(composed) >= AIM else 'not reached'}.",
        ]
    )
