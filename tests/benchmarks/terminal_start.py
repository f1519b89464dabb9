"""How long until the first frame: the real program beside a bare Textual chat screen, turn and turn about.

    python -m tests.benchmarks.terminal_start [--runs N]

Each is started in a pseudo-terminal of its own, 80x24, and timed from the start of the process until the placeholder of
its prompt is on the screen. The backend is a scripted one that runs already. Prints the medians and their ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from tests.fakes.scripted_backend import KEY, ScriptedBackend
from tui.preferences import Preferences

BARE = """
from textual.app import App
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static, TextArea
class Bare(App):
    AUTO_FOCUS = "TextArea"
    def compose(self):
        yield Static("a chat")
        yield VerticalScroll()
        yield TextArea(placeholder="Write to Attune")
        yield Footer()
Bare().run()
"""
COMMANDS = {"bare": (sys.executable, "-c", BARE), "attune": (sys.executable, "-m", "tui")}
NEEDLE = b"rite to Attune"
"""The placeholder without its first letter, which the cursor covers."""
PATIENCE_S = 60.0


def first_frame_s(command: Sequence[str], environ: Mapping[str, str]) -> float:
    """Seconds from the start of the process until its first frame is drawn."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    began, seen = time.perf_counter(), b""
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=dict(environ), start_new_session=True
    )
    os.close(theirs)
    try:
        while NEEDLE not in seen:
            seen += os.read(ours, 65536)
            if time.perf_counter() - began > PATIENCE_S:
                raise TimeoutError(f"no frame within {PATIENCE_S:.0f} s of {command[1:3]}")
        return time.perf_counter() - began
    finally:
        process.kill()
        process.wait()
        os.close(ours)


async def measure(runs: int) -> dict[str, list[float]]:
    """Time both programs, turn and turn about, after one run of each that only warms the disk."""
    with tempfile.TemporaryDirectory() as home:
        Preferences(met=True).save(Path(home))
        async with ScriptedBackend().serve() as backend:
            environ = {**os.environ, "ATTUNE_HOME": home, "ATTUNE_URL": backend.url, "ATTUNE_KEY": KEY}
            environ["TERM"] = "xterm-256color"
            timed: dict[str, list[float]] = {name: [] for name in COMMANDS}
            for run in range(runs + 1):
                for name, command in COMMANDS.items():
                    seconds = await asyncio.to_thread(first_frame_s, command, environ)
                    if run:
                        timed[name].append(seconds)
            return timed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.terminal_start", description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    timed = asyncio.run(measure(parser.parse_args().runs))
    for name, seconds in timed.items():
        sys.stdout.write(f"{name:7} median {median(seconds):.3f} s, fastest {min(seconds):.3f} s\n")
    ratios = [ours / bare for ours, bare in zip(timed["attune"], timed["bare"], strict=True)]
    sys.stdout.write(
        f"ratio   median {median(ratios):.2f}, of the fastest {min(timed['attune']) / min(timed['bare']):.2f}\n"
    )


if __name__ == "__main__":
    main()
