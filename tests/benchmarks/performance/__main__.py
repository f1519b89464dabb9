"""What Attune costs in time and memory, against the bare model server and Mem0's own loop.

    python -m tests.benchmarks.performance [PART …] [--write docs/performance.md]

Parts are starting, first-token, streams, prefix (needs `make setup-serve`) and growth; without a name everything is
measured, which takes about an hour. Results go to runs/performance/ as JSON with the machine's name; `--write`
replaces the sections of the page. Run it on a machine that does nothing else: the load before is said in the results.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from tests.benchmarks.performance import first_token, growth, prefix, starting, streams
from tests.benchmarks.performance.report import put, save

PARTS = ("starting", "first-token", "streams", "prefix", "growth")


async def measured(part: str, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Measure one part; returns the figures and their section."""
    if part == "starting":
        found = await starting.measure(chosen.starts)
        return found, starting.section(found)
    if part == "streams":
        found = await streams.measure(chosen.soak)
        return found, streams.section(found)
    if part == "prefix":
        found = await prefix.measure(chosen.talk)
        return found, prefix.section(found)
    if part == "growth":
        found = await growth.measure(chosen.most_people, chosen.most_facts, chosen.turns // 4)
        return found, growth.section(found)
    found = await first_token.measure(chosen.people, chosen.facts // chosen.people, chosen.turns)
    return found, first_token.section(found)


async def main() -> None:
    """Measure, print, save and, if asked to, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all without one")
    parser.add_argument("--starts", type=int, default=5, help="warm starts")
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--facts", type=int, default=100_000, help="of all people together")
    parser.add_argument("--turns", type=int, default=400, help="of each way with each number of clients")
    parser.add_argument("--soak", type=float, default=600, help="seconds; 0 for none")
    parser.add_argument("--talk", type=int, default=12, help="turns of a conversation, for the prefix cache")
    parser.add_argument("--most-people", type=int, default=10_000, help="the end of growth")
    parser.add_argument("--most-facts", type=int, default=100_000, help="of one person, the end of growth")
    parser.add_argument("--out", type=Path, default=Path("runs/performance"), help="where the JSON goes")
    parser.add_argument("--write", type=Path, help="the page whose sections are replaced")
    chosen = parser.parse_args()
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    for part in chosen.parts or PARTS:
        found, section = await measured(part, chosen)
        print(f"{section}\n\nsaved: {save(part, found, chosen.out)}\n", flush=True)  # noqa: T201
        if chosen.write:
            put(part, section, chosen.write)


if __name__ == "__main__":
    asyncio.run(main())
