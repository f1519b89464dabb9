"""How much memory building a data set takes, whatever its size: `python -m tests.benchmarks.dataset_memory 300 30000`.

Each size is a whole build in a process of its own: that many made-up sessions are read, asked about stage by stage of a
server that answers at once, embedded, divided, checked for leaks and written with their card. `--light` puts vectors
of no meaning in the place of the embedding model, which takes most of the time and a fixed amount of memory.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from memory.config import EmbedderConfig
from memory.embedder import Embedder, Vectors
from tests.fakes.sessions import write_sessions
from training.endpoint import Endpoint
from training.personaemp.build import Progress, build
from training.personaemp.build_config import BuildConfig
from training.personaemp.build_progress import shown
from training.personaemp.pipeline import StagesConfig
from training.personaemp.sources.sources import SourcesConfig


class LightEmbedder(Embedder):
    """Has the real tokenizer and everyday vectors; its other vectors mean nothing."""

    async def embed_alike(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors that follow from the texts."""
        drawn = [np.random.default_rng(zlib.crc32(text.encode())).standard_normal(384) for text in texts]
        return np.stack([one / np.linalg.norm(one) for one in drawn]).astype(np.float32)


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="*", default=[300, 3000, 30000], help="Records.")
    parser.add_argument("--light", action="store_true", help="Without the embedding model.")
    parser.add_argument("--one", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        sys.stdout.write(asyncio.run(_measure(options.sizes[0], options.one, light=options.light)) + "\n")
        return
    sys.stdout.write("records     rows  seconds  MB before the first record  at a tenth  at half  at the end\n")
    server = [sys.executable, "-m", "tests.fakes.builder_server"]
    for size in options.sizes:
        sys.stdout.flush()
        with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                address = process.stdout.readline().strip()
                command = [sys.executable, "-m", "tests.benchmarks.dataset_memory", str(size), "--one", address]
                subprocess.run([*command, *(["--light"] if options.light else [])], check=True)
            finally:
                process.terminate()


async def _measure(size: int, address: str, *, light: bool) -> str:
    """Build one data set; return its line."""
    for library in ("kmodes.kmodes", "matplotlib.figure", "pyarrow.parquet", "sklearn.metrics"):
        importlib.import_module(library)
    with tempfile.TemporaryDirectory() as scratch:
        config = BuildConfig(
            out=Path(scratch) / "set",
            sources=SourcesConfig(alpsbench=write_sessions(Path(scratch) / "sessions.jsonl", size)),
            builder=Endpoint(base_url=address, model="scripted"),
            stages=StagesConfig(situations=1, real_queries=1),
        )
        embedder = (LightEmbedder if light else Embedder)(EmbedderConfig(), Path(scratch))
        await embedder.ready()
        peaks, began = [_peak()], time.monotonic()
        with shown() as show:

            def note(progress: Progress) -> None:
                show(progress)
                peaks.append(_peak())

            built = await build(config, embedder=embedder, total=size, show=note)
        embedder.close()
        tenth, half = peaks[len(peaks) // 10], peaks[len(peaks) // 2]
        return (
            f"{size:7} {built.manifest.rows:8} {time.monotonic() - began:8.0f}"
            f"  {peaks[0]:26.0f}  {tenth:10.0f}  {half:7.0f}  {_peak():10.0f}"
        )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
