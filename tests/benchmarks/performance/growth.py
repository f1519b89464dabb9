"""What a turn costs as people, and the facts of one person, become many.

One client says something ten times as one person and then as another, so that most people's indexes are closed when
they come; the model's own time is the same everywhere. CPU is the backend's, reflection included.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from tests.benchmarks.performance.first_token import Counted, attune_turn, say_turns
from tests.benchmarks.performance.processes import answers, backend, model_server
from tests.benchmarks.performance.report import machine, told
from tests.benchmarks.performance.seeding import seed
from training.vllm_server import free_port

PEOPLE = (10, 100, 1_000, 10_000)
FACTS_OF_EACH = 10
FACTS = (100, 1_000, 10_000, 100_000)
AIM = 1.5
ROUNDS = 5
MESSAGES_A_DAY = 20
"""Of one person, for the arithmetic."""


async def measure(most_people: int, most_facts: int, turns: int) -> dict[str, Any]:
    """Measure every size up to the given ones."""
    found: dict[str, Any] = {"machine": machine(), "people": [], "facts": []}
    async with model_server(free_port(), words=2) as model:
        for people in (one for one in PEOPLE if one <= most_people):
            found["people"].append(await _size(model.url, people, FACTS_OF_EACH, turns))
        for facts in (one for one in FACTS if one <= most_facts):
            found["facts"].append(await _size(model.url, 1, facts, turns))
    return found


async def _size(model_url: str, people: int, facts_each: int, turns: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="attune-growth-") as directory:
        home = Path(directory) / "home"
        secret, _ = await seed(home, people, facts_each)
        disk = await asyncio.to_thread(_mebibytes, home)
        async with backend(home, free_port(), model_url, {}) as ours:
            await answers(ours, "/readyz", '"ready"')
            async with httpx.AsyncClient(timeout=300, trust_env=False) as client:
                turn = attune_turn(client, ours, secret)
                await say_turns(0, turn, Counted(), people, 10)
                counted, cpu = Counted(), []
                for _ in range(ROUNDS):
                    before = ours.cpu_s
                    await say_turns(0, turn, counted, people, turns // ROUNDS)
                    cpu.append((ours.cpu_s - before) / (turns // ROUNDS) * 1000)
            row = {"people": people, "facts_each": facts_each, "cpu_ms": round(median(cpu), 1), "disk_mib": disk}
            row |= counted.as_dict() | {"memory_mib": ours.memory_mib}
            print(f"  {row}", flush=True)  # noqa: T201
            return row


def _mebibytes(directory: Path) -> float:
    return round(sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()) / (1 << 20), 1)


def ratio(rows: list[dict[str, Any]]) -> float:
    """Return the CPU of a turn at the greatest size by that at the smallest."""
    return float(rows[-1]["cpu_ms"] / rows[0]["cpu_ms"])


def section(found: dict[str, Any]) -> str:
    """Return the section of the page."""
    table = [
        "| people | facts each | CPU of a turn ms | first token p50 | p95 | recall completed | disk MiB | memory MiB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {one['people']:,} | {one['facts_each']:,} | {one['cpu_ms']:.1f} | {one.get('p50', 0):.1f} | "
            f"{one.get('p95', 0):.1f} | {one['completed']:.1%} | {one['disk_mib']:,.0f} | {one['memory_mib']:.0f} |"
            for one in [*found["people"], *found["facts"]]
        ),
    ]
    lines = [
        "## Growth",
        "",
        "`make bench ARGS=growth`. One client; each person says ten things and another goes on. The aim is a ratio",
        f"of at most {AIM} from the smallest to the greatest.",
        "",
        told(found["machine"]),
        "",
        *table,
        "",
        f"A turn's CPU grows {ratio(found['people']):.2f} times over the people and {ratio(found['facts']):.2f} times "
        "over the facts.",
        "",
        _million(found["people"][-1]),
    ]
    return "\n".join(lines)


def _million(row: dict[str, Any]) -> str:
    """The arithmetic for a million people, from the row of most people."""
    turns_s = 1_000_000 * MESSAGES_A_DAY / 86_400
    cores = turns_s * row["cpu_ms"] / 1000
    disk = row["disk_mib"] / row["people"] * 1_000_000 / 1024
    each = row["disk_mib"] / row["people"]
    return (
        f"A million people who write {MESSAGES_A_DAY} messages a day each are {turns_s:,.0f} turns a second on "
        f"average. At {row['cpu_ms']:.0f} ms a turn that is {cores:,.1f} cores of backend, three times that in the "
        f"busiest hour, and {disk:,.0f} GiB of disk at {row['facts_each']} facts a person ({each:.2f} MiB each: nearly "
        "all of it an index of one's own, which on a Chroma server is a collection). One process keeps the indexes of "
        "the most recent people open and opens another when its person writes; so people are spread over processes by "
        "a hash of who they are (sticky sessions) or kept on the Chroma server, and the ledger moves to Postgres. The "
        "models' own cost is apart and far greater."
    )
