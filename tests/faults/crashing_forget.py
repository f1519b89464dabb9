"""Forgetting, killed with SIGKILL after one of its steps. Arguments: HOME STEP PERSON SCOPE [ID]."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from memory.config import EmbedderConfig, MemoryConfig, ReflectionConfig
from memory.embedder import Embedder
from memory.forget import Forgetting
from memory.index import Index
from memory.ledger.going import Target
from memory.ledger.jobs import FORGET
from memory.ledger.ledger import Ledger
from memory.queue import ReflectionWorker


async def main(home: Path, fatal: str, person_id: str, target: Target) -> None:
    """Forget until killed."""

    def checkpoint(step: str) -> None:
        if step == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    config = MemoryConfig(home=home)
    async with Ledger.open(config) as ledger, Index.open(config, Embedder(EmbedderConfig(), home / "models")) as index:
        forgetting = Forgetting(ledger, index, home, checkpoint)
        worker = ReflectionWorker(ledger, index, None, ReflectionConfig(), "w1", handlers={FORGET: forgetting.run})
        await forgetting.forget(person_id, target, worker)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Target(sys.argv[4], tuple(sys.argv[5:]))))  # type: ignore[arg-type]
