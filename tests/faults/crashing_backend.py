"""The real backend, killed with SIGKILL at one step of a turn. Arguments: HOME STEP (or `never`)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn

from assistant.app import create_app
from assistant.config import AssistantConfig, ModelConfig
from assistant.remote import announced
from assistant.runtime import Runtime, open_runtime
from assistant.serve import bind


async def main(home: Path, fatal: str) -> None:
    """Serve until killed."""
    config = AssistantConfig(home=home, discover=False, policy=ModelConfig(engine="builtin"))

    def checkpoint(step: str) -> None:
        if step == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Runtime]:
        async with open_runtime(config, checkpoint=checkpoint) as runtime:
            yield runtime

    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(create_app(config, open=opened), log_level="warning"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.wait({serving}, timeout=0.02)
    with announced(home, url):
        await serving


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
