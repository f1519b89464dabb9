"""A ledger that one process has open stays whole while another one opens, writes and closes it."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path

import pytest

from memory.config import MemoryConfig
from memory.ledger.ledger import Ledger
from memory.remnants import has_remnant

ROOT = Path(__file__).parents[2]
OTHER = """
import asyncio, sys
from pathlib import Path
from memory.config import MemoryConfig
from memory.ledger.ledger import Ledger

async def main():
    async with Ledger.open(MemoryConfig(home=Path(sys.argv[1]))) as ledger:
        await ledger.users.create()

asyncio.run(main())
"""


async def other(home: Path) -> None:
    """Open the ledger in another process, write, and close it."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", OTHER, str(home), cwd=ROOT)
    assert await process.wait() == 0


def log(home: Path) -> int:
    """Which file the write-ahead log is."""
    return (home / "attune.db-wal").stat().st_ino


@pytest.mark.parametrize("meanwhile", ["opened again", "looked through"])
async def test_another_process_that_closes_leaves_the_log_that_is_in_use(tmp_path: Path, meanwhile: str) -> None:
    config = MemoryConfig(home=tmp_path)
    async with Ledger.open(config) as ledger:
        for _ in range(3):
            await ledger.users.create()
        before = log(tmp_path)
        if meanwhile == "opened again":
            async with Ledger.open(config) as again:
                await again.users.create()
        else:
            assert not await asyncio.to_thread(has_remnant, tmp_path / "attune.db", ["nobody ever said this"])
        await other(tmp_path)
        assert log(tmp_path) == before, "the other process took itself for the last one"
        await ledger.users.create()
        await other(tmp_path)
    with sqlite3.connect(tmp_path / "attune.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
