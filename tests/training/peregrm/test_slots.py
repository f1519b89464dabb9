from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from training.peregrm.slots import Slots

WORKER = """
import asyncio, sys, time
from pathlib import Path
from training.peregrm.slots import Slots

async def main(directory, log):
    slots = Slots(3, directory)
    async def call():
        async with slots.held():
            with open(log, "a") as file: file.write(f"{time.monotonic_ns()} 1\\n")
            await asyncio.sleep(0.01)
            with open(log, "a") as file: file.write(f"{time.monotonic_ns()} -1\\n")
    await asyncio.gather(*(call() for _ in range(20)))

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""

HOLDER = """
import asyncio, sys
from pathlib import Path
from training.peregrm.slots import Slots

async def main():
    slots = Slots(1, Path(sys.argv[1]))
    async with slots.held():
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def test_several_processes_together_keep_to_the_bound(tmp_path: Path) -> None:
    log = tmp_path / "log"
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path / "slots"), str(log)]) for _ in range(4)]
    assert [worker.wait(timeout=100) for worker in workers] == [0] * 4
    held = most = 0
    changes = sorted((int(at), int(change)) for at, change in (row.split() for row in log.read_text().splitlines()))
    for _, change in changes:
        held += change
        most = max(most, held)
    assert len(changes) == 2 * 80
    assert 1 < most <= 3


async def test_a_process_that_is_killed_gives_its_slot_back(tmp_path: Path) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    slots = Slots(1, tmp_path)
    taken = asyncio.Event()

    async def take() -> None:
        async with slots.held():
            taken.set()

    waiting = asyncio.create_task(take())
    await asyncio.sleep(0.1)
    assert not taken.is_set()
    holder.send_signal(signal.SIGKILL)
    await asyncio.wait_for(taken.wait(), 60)
    await waiting
    await holder.wait()
