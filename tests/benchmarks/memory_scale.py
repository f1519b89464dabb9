"""What remembering costs as people and facts become many: time of a recall, disk, memory.

    python -m tests.benchmarks.memory_scale [--facts N] [--people N] [--rows FILE] [--write docs/performance.md]

Facts are made of words by chance and their vectors by chance around a few hundred topics, so that nothing but the
embedding model is left out: ledger, Mem0, Chroma and the choice are real. The model's own time is measured apart.
With `--write`, the table between the markers of that page is replaced, and a plot is put into `pictures` beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from assistant.progress import bar
from memory.config import MemoryConfig, RecallConfig
from memory.embedder import Embedder, EmbedderIdentity, Vectors
from memory.index import Index
from memory.ledger import tables
from memory.ledger.ledger import Ledger
from memory.recall import Recall
from tests.benchmarks.made_facts import made_fact, row_of

BEGIN, END = "<!-- memory scale: begin -->", "<!-- memory scale: end -->"
SIZES = (100, 1_000, 10_000, 100_000)
_DIMENSION, _TOPICS, _ASKED, _BATCH = 384, 300, 200, 2_000
_PATIENT = RecallConfig(deadline_ms=60_000)


class MadeUp(Embedder):
    """Vectors by chance, the same for the same text; near for texts of the same topic, their first word."""

    def __init__(self) -> None:
        super().__init__(MemoryConfig().embedder, Path("unused"))
        self._topics = _units(np.random.default_rng(7), _TOPICS)
        self.seconds = self.busy = 0.0
        """Spent here by the clock and of CPU, to be taken off."""

    loaded = True
    identity = EmbedderIdentity("made up", "1", _DIMENSION)

    @property
    def everyday(self) -> Vectors:
        """The first topics."""
        return self._topics[:30]

    async def embed(self, texts: Sequence[str], *, together: bool = False) -> Vectors:
        """Return one unit vector per text."""
        begun, worked = time.perf_counter(), time.thread_time()
        vectors = np.stack([self._vector(text) for text in texts])
        self.seconds += time.perf_counter() - begun
        self.busy += time.thread_time() - worked
        return vectors

    def familiarity(self, text: str) -> float:
        """Everything can be read."""
        return 1.0

    def _vector(self, text: str) -> Vectors:
        topic = self._topics[hash_of(text.split()[0]) % _TOPICS]
        own = _units(np.random.default_rng(hash_of(text)), 1)[0]
        vector = 0.8 * topic + 0.6 * own
        return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Row:
    """One size."""

    people: int
    facts_each: int
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    disk_mb: float
    memory_mb: float
    """The process's greatest so far, all libraries included."""
    filled_per_s: float

    def line(self) -> str:
        """Return the row of the table."""
        return (
            f"| {self.people:,} | {self.facts_each:,} | {self.p50_ms:.1f} | {self.p95_ms:.1f} | {self.cpu_ms:.1f} | "
            f"{self.disk_mb:,.0f} | {self.memory_mb:,.0f} | {self.filled_per_s:,.0f} |"
        )


def hash_of(text: str) -> int:
    """Return the same number for the same text in every process."""
    return int.from_bytes(text.encode()[:32].ljust(32, b"\0"), "big") % (2**61 - 1)


def _units(chance: np.random.Generator, count: int) -> Vectors:
    vectors = chance.standard_normal((count, _DIMENSION))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


async def measure(people: int, facts_each: int) -> Row:
    """Fill a home with so many people and facts, and ask as people do, warm."""
    with tempfile.TemporaryDirectory(prefix="attune-scale-") as directory:
        config = MemoryConfig(home=Path(directory))
        embedder = MadeUp()
        async with Ledger.open(config) as ledger, Index.open(config, embedder) as index:
            begun = time.perf_counter()
            ids = [person async for person in _filled(ledger, index, people, facts_each)]
            rate = people * facts_each / (time.perf_counter() - begun)
            times, busy = await _asked(Recall(ledger, index, _PATIENT), embedder, ids)
        disk = await asyncio.to_thread(_megabytes, Path(directory))
        greatest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        p50, p95 = (float(np.percentile(times, at)) for at in (50, 95))
        return Row(people, facts_each, p50, p95, float(np.median(busy)), disk, greatest, rate)


def _megabytes(directory: Path) -> float:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()) / 1e6


async def _filled(ledger: Ledger, index: Index, people: int, facts_each: int) -> AsyncIterator[str]:
    with bar() as show:
        for number in range(people):
            person = (await ledger.users.create()).id
            for start in range(0, facts_each, _BATCH):
                texts = [_text(place) for place in range(start, min(start + _BATCH, facts_each))]
                added = [made_fact(person, text, start + at) for at, text in enumerate(texts)]
                async with ledger.database.writing() as connection:
                    # All at once: what is measured is finding them again.
                    await connection.execute(insert(tables.facts), [row_of(fact) for fact in added])
                await index.add_many(added)
                done = number * facts_each + start + len(texts)
                show({"phase": f"{people:,} x {facts_each:,} facts", "done": done, "total": people * facts_each})
            yield person


def _text(place: int) -> str:
    return f"topic{place % _TOPICS} is what I told as number {place}"


async def _asked(recall: Recall, embedder: MadeUp, people: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return the milliseconds, by the clock and of CPU, of recalls without the embedding; people's indexes are open."""
    chance = np.random.default_rng(11)
    asked = [people[int(at)] for at in chance.integers(0, len(people), min(16, len(people)))]
    times, busy = [], []
    for number in range(-20, _ASKED):
        person = asked[number % len(asked)]
        embedder.seconds = embedder.busy = 0.0
        begun, worked = time.perf_counter(), time.process_time()
        found = await recall.recall(
            person, f"topic{int(chance.integers(_TOPICS))} what was it that I told number {number}"
        )
        elapsed = time.perf_counter() - begun - embedder.seconds
        worked = time.process_time() - worked - embedder.busy
        if found.status != "ok":
            raise RuntimeError(f"recall: {found.status}: {found.detail}")
        if number >= 0:
            times.append(elapsed * 1000)
            busy.append(worked * 1000)
    return times, busy


async def embedding_ms() -> tuple[float, float]:
    """Return p50 and p95 of the real model's share of a recall."""
    embedder = Embedder(MemoryConfig().embedder, MemoryConfig().home / "models")
    await embedder.ready()
    times = []
    for number in range(60):
        begun = time.perf_counter()
        await embedder.embed(
            [f"My sister asked {number} times whether I would sing at her wedding in June."], together=True
        )
        times.append((time.perf_counter() - begun) * 1000)
    embedder.close()
    return float(np.percentile(times[10:], 50)), float(np.percentile(times[10:], 95))


def page(rows: Sequence[Row], embedding: tuple[float, float], note: str) -> str:
    """Return what stands between the markers."""
    alone = [row for row in rows if row.people == 1]
    ratio = alone[-1].cpu_ms / alone[0].cpu_ms if len(alone) > 1 else float("nan")
    return "\n".join(
        [
            BEGIN,
            "## Remembering, as facts become many",
            "",
            "`python -m tests.benchmarks.memory_scale --write docs/performance.md`, warm, the embedding apart.",
            "Ledger, Mem0 over Chroma and the choice are real; vectors are made up. CPU is that of all threads, and",
            "tells more than the clock where other programs are busy. The process's memory is its greatest so far.",
            "",
            "| people | facts each | recall p50 ms | p95 ms | CPU p50 ms | disk MB | process MB | stored a second |",
            "|---:|---:|---:|---:|---:|---:|---:|---:|",
            *(row.line() for row in rows),
            "",
            f"{alone[-1].facts_each:,} facts of one person take {ratio:.2f} times the CPU of {alone[0].facts_each:,}.",
            f"The embedding model adds {embedding[0]:.0f} ms (p95 {embedding[1]:.0f}) for a short message. {note}",
            "",
            "![Recall time by facts of a person](pictures/memory_scale.png)",
            END,
        ]
    )


def plot(rows: Sequence[Row], file: Path) -> None:
    """Draw recall time against the facts of one person."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    alone = [row for row in rows if row.people == 1]
    figure, axes = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    facts = [row.facts_each for row in alone]
    axes.plot(facts, [row.p50_ms for row in alone], marker="o", label="p50")
    axes.plot(facts, [row.p95_ms for row in alone], marker="o", label="p95")
    axes.set(xscale="log", xlabel="facts of one person", ylabel="recall, ms (embedding apart)", ylim=(0, None))
    axes.legend()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


def put(text: str, file: Path) -> None:
    """Replace the section between the markers of `file`, or append it."""
    old = file.read_text(encoding="utf-8") if file.exists() else "# Performance\n"
    if BEGIN in old and END in old:
        head, rest = old.split(BEGIN, 1)
        new = head + text + rest.split(END, 1)[1]
    else:
        new = f"{old.rstrip()}\n\n{text}\n"
    file.write_text(new, encoding="utf-8")


async def main() -> None:
    """Measure, print and, if asked to, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=100_000, help="facts in the greatest cases")
    parser.add_argument("--people", type=int, default=1_000, help="people in the case of many")
    parser.add_argument("--rows", type=Path, help="where finished rows are kept, so that another run goes on")
    parser.add_argument("--write", type=Path, help="the page whose section is replaced")
    parser.add_argument("--note", default="", help="a sentence on the machine, put below the table")
    chosen = parser.parse_args()
    sizes = [size for size in SIZES if size < chosen.facts] + [chosen.facts]
    kept = json.loads(chosen.rows.read_text()) if chosen.rows is not None and chosen.rows.exists() else []
    rows = [Row(**row) for row in kept]
    for people, each in [*((1, size) for size in sizes), (chosen.people, chosen.facts // chosen.people)][len(rows) :]:
        rows.append(await measure(people, each))
        sys.stdout.write(rows[-1].line() + "\n")
        sys.stdout.flush()
        if chosen.rows is not None:
            chosen.rows.write_text(json.dumps([asdict(row) for row in rows]))
    text = page(rows, await embedding_ms(), f"{chosen.note} Python {platform.python_version()}.".strip())
    sys.stdout.write(text + "\n")
    if chosen.write is not None:
        plot(rows, chosen.write.parent / "pictures" / "memory_scale.png")
        put(text, chosen.write)


if __name__ == "__main__":
    asyncio.run(main())
