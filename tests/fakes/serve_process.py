"""`attune serve` as a process of its own over a scripted model, and a client with the local owner's key."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx

from assistant.remote import Remote, find

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def serving(home: Path, model_url: str, drain_s: float = 10) -> Iterator[subprocess.Popen[bytes]]:
    """The process, killed on leaving; it reflects by rules and logs to `home / "log"`."""
    environment = {
        **os.environ,
        "ATTUNE_HOME": str(home),
        "ATTUNE_DISCOVER": "false",
        "ATTUNE_POLICY__BASE_URL": model_url,
        "ATTUNE_REFLECT__ENGINE": "builtin",
        "ATTUNE_SERVER__DRAIN_S": str(drain_s),
    }
    command = [sys.executable, "-m", "assistant.cli", "serve", "--port", "0", "--log-format", "json"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait(60)


@asynccontextmanager
async def client_of(process: subprocess.Popen[bytes], home: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client, once the process answers."""
    remote: Remote | None = None
    while remote is None:
        assert process.poll() is None, (home / "log").read_text()
        await asyncio.sleep(0.1)  # another process starts: there is nothing to await
        remote = find(home)
    headers = {"authorization": f"Bearer {remote.key}"}
    async with httpx.AsyncClient(base_url=remote.url, headers=headers, timeout=120, trust_env=False) as client:
        yield client
