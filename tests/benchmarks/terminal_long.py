"""How a long conversation feels: opening it, typing, looking back, and a reply at its end.

    python -m tests.benchmarks.terminal_long [--messages N]

Runs the real app without a terminal on a scripted backend that holds the conversation, beside one of ten messages.
Prints, for each, milliseconds: until it is open, for a key press until the screen is still again, and for a page back;
on the clock, and of the processor, which says what an idle machine would need. The longest stretch is what the event
loop did at most in one go, of the processor: so long a key press may have to wait.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from tests.fakes.driven_app import driven
from tests.fakes.scripted_backend import KEY, ScriptedBackend
from tui.backend import Launch

WORDS = "and then we walked along the sea until it was dark, which took *longer* than I had thought. "
KEYS, PAGES = 40, 30


class Stretch:
    """The longest time of the processor that one callback of the event loop took, in milliseconds."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._run = asyncio.Handle._run

    def __enter__(self) -> Stretch:
        def run(handle: asyncio.Handle) -> None:
            began = time.thread_time()
            self._run(handle)
            self.longest = max(self.longest, (time.thread_time() - began) * 1000)

        asyncio.Handle._run = run  # type: ignore[method-assign, assignment]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.Handle._run = self._run  # type: ignore[method-assign]


async def feel(count: int) -> dict[str, list[float]]:
    """Milliseconds of everything a person waits for in a conversation of so many messages."""
    timed: dict[str, list[float]] = {
        f"{what}{clock}": [] for what in ("open", "key", "page") for clock in ("", ", processor")
    }
    with tempfile.TemporaryDirectory() as home:
        async with ScriptedBackend(page_size=200).serve() as backend:
            backend.converse("long", *(f"{number}: {WORDS * 3}" for number in range(count)))
            async with driven(Launch(Path(home), backend.url, KEY), size=(120, 40)) as chat:
                await chat.connected()
                gc.freeze()  # as the program does at its first frame
                began, worked = time.perf_counter(), time.process_time()
                await chat.pilot.press("ctrl+o")
                shown = chat.app.chat.conversation
                await chat.until(lambda: len(shown.blocks) >= min(count, 12) and not shown.moving, "the conversation")
                timed["open"].append((time.perf_counter() - began) * 1000)
                timed["open, processor"].append((time.process_time() - worked) * 1000)
                with Stretch() as stretch:
                    for name, key, times in (("key", "a", KEYS), ("page", "pageup", PAGES)):
                        for _ in range(times):
                            began, worked = time.perf_counter(), time.process_time()
                            await chat.pilot.press(key)
                            timed[name].append((time.perf_counter() - began) * 1000)
                            timed[f"{name}, processor"].append((time.process_time() - worked) * 1000)
                timed["longest stretch"] = [stretch.longest]
    return timed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.terminal_long", description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    for count in (10, parser.parse_args().messages):
        timed = asyncio.run(feel(count))
        told = ", ".join(
            f"{name} {median(values):.0f} (p95 {quantiles(values, n=20)[-1]:.0f})"
            if len(values) > 1
            else f"{name} {values[0]:.0f}"
            for name, values in timed.items()
        )
        sys.stdout.write(f"{count:>6} messages, ms: {told}\n")


if __name__ == "__main__":
    main()
