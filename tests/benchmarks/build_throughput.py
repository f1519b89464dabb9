"""What building a data set costs beside the model: wall time against the server's own, and peak memory by size.

The server plays the model and takes a fixed time for each answer; 64 questions are asked at once. The server's own time
is what its answers take when every place is always filled: questions x seconds / 64. Run it on an idle machine:

    python -m tests.benchmarks.build_throughput --records 300 --seconds 4
    python -m tests.benchmarks.build_throughput --records 30000 --seconds 0 --situations 0 --real-queries 0
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fakes.sessions import write_sessions
from training.endpoint import Endpoint
from training.personaemp.build import build
from training.personaemp.build_config import BuildConfig
from training.personaemp.build_progress import shown
from training.personaemp.pipeline import StagesConfig
from training.personaemp.sources.sources import SourcesConfig

AT_ONCE = 64


async def measure(directory: Path, base_url: str, options: argparse.Namespace) -> str:
    """Build once and return one line of figures."""
    config = BuildConfig(
        out=directory / "set",
        sources=SourcesConfig(alpsbench=write_sessions(directory / "sessions.jsonl", options.records)),
        builder=Endpoint(base_url=base_url, model="scripted", concurrency=AT_ONCE),
        stages=StagesConfig(situations=options.situations, real_queries=options.real_queries),
    )
    begun, cpu = time.perf_counter(), time.process_time()
    with shown() as show:
        built = await build(config, total=options.records, show=show)
    seconds = time.perf_counter() - begun
    calls = sum(account.calls for account in built.progress.accounts.values())
    own = calls * options.seconds / AT_ONCE
    over = f"{100 * (seconds - own) / own:.1f} % over" if own else "no time of its own"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{options.records} records, {built.manifest.rows} rows, {calls} calls: {seconds:.1f} s, server {own:.1f} s"
        f" ({over}), {1000 * (time.process_time() - cpu) / max(1, calls):.1f} ms CPU a call, peak {peak:.0f} MB"
    )


def main() -> None:
    """Start the server as a process of its own, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=4.0, help="How long the server takes for each answer.")
    parser.add_argument("--situations", type=int, default=3)
    parser.add_argument("--real-queries", type=int, default=3)
    options = parser.parse_args()
    command = [sys.executable, "-m", "tests.fakes.builder_server", "--seconds", str(options.seconds)]
    with tempfile.TemporaryDirectory() as directory, subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            base_url = server.stdout.readline().decode().strip()
            print(asyncio.run(measure(Path(directory), base_url, options)))  # noqa: T201
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
