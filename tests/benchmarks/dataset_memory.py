"""How much memory building a data set takes, whatever its size: `python -m tests.benchmarks.dataset_memory 300 30000`.

Each size runs in a process of its own: that many synthetic sessions are written to a gzipped file, read through the
sources, turned into two examples each without a language model, and written as a data set with leak check and card.
"""

import asyncio
import gzip
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.fakes.examples import example, words
from training.example import Example, Memory
from training.personaemp.dataset import Writer
from training.personaemp.identity import Identity
from training.personaemp.manifest import BuildInfo
from training.personaemp.record import Record
from training.personaemp.sources.sources import Sources, SourcesConfig
from training.personaemp.split import SplitRule


def main() -> None:
    sys.stdout.write("records  examples  seconds  peak RSS MB  above start MB\n")
    for size in map(int, sys.argv[1:] or ("300", "3000", "30000")):
        sys.stdout.flush()
        command = [sys.executable, "-m", "tests.benchmarks.dataset_memory", "--one", str(size)]
        sys.stdout.write(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)


def measure(size: int) -> tuple[int, float, float, float]:
    """Build one data set; return its examples, seconds, peak and growth in MB."""
    for library in ("kmodes.kmodes", "matplotlib.figure", "pyarrow.parquet", "sklearn.metrics"):
        importlib.import_module(library)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "sessions.jsonl.gz"
        with gzip.open(source, "wt", compresslevel=1) as file:
            for number in range(size):
                file.write(json.dumps(_session(number)) + "\n")
        start, began = _peak(), time.monotonic()
        count = asyncio.run(_build(source, Path(scratch) / "set"))
        return count, time.monotonic() - began, _peak(), _peak() - start


async def _build(source: Path, out: Path) -> int:
    identity = Identity("set_memory", "00", datetime(2026, 5, 1, tzinfo=UTC))
    sources = Sources(SourcesConfig(alpsbench=source), identity)
    with Writer.open(out, identity) as writer:
        async for record in sources.records():
            if isinstance(record, Record):
                for one in _examples(record):
                    writer.add(one)
        return writer.finish(SplitRule(), BuildInfo(sources=sources.infos())).rows


def _examples(record: Record) -> Iterator[Example]:
    memories = tuple(Memory(one.text) for one in record.known())
    for number, turn in enumerate(turn for turn in record.turns if turn.role == "user"):
        yield example(record.person, number, query=turn.text, memory=memories)


def _session(number: int) -> dict[str, object]:
    turns = [
        {"role": role, "text": words(f"{number} {role} {n}", 30)} for n in range(2) for role in ("user", "assistant")
    ]
    memories = [{"memory_id": f"m{n}", "value": words(f"{number} m{n}", 8)} for n in range(4)]
    return {"session_id": f"s{number}", "dialogue": turns, "memories": memories}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        size = int(sys.argv[2])
        count, seconds, peak, growth = measure(size)
        sys.stdout.write(f"{size:7}  {count:8}  {seconds:7.1f}  {peak:11.0f}  {growth:14.0f}\n")
    else:
        main()
