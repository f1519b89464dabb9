"""The policy registry, killed with SIGKILL at one step. Arguments: HOME ACT VERSION STEP (or `never`)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from assistant.config import AssistantConfig, PoliciesConfig
from assistant.policies import Registry
from memory.config import MemoryConfig
from memory.ledger.ledger import Ledger


async def main(home: Path, act: str, version: str, fatal: str) -> None:
    """Do it, until killed."""

    def checkpoint(step: str) -> None:
        if step == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    async with Ledger.open(MemoryConfig(home=home)) as ledger:
        config = AssistantConfig(home=home, policies=PoliciesConfig(gates=()))
        registry = Registry(ledger, config, checkpoint=checkpoint)
        if act == "activate":
            await registry.activate(version, "operator")
        elif act == "canary":
            await registry.canary(version, 10, "operator")
        elif act == "retire":
            await registry.retire(version, "operator")
        else:
            await registry.roll_back("operator")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]))
