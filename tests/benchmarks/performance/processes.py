"""The processes that are measured: a backend and a model server, each on a free port, and how much memory they hold."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from assistant.owner import owner_key

ROOT = Path(__file__).parents[3]
_WITHIN_S = 300.0
_LOOK_S = 0.005


@dataclass(frozen=True, slots=True)
class Running:
    """A process that answers."""

    url: str
    pid: int
    started: float
    """By the monotonic clock."""

    @property
    def memory_mib(self) -> float:
        """What it holds for itself, with its share of what it shares."""
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{self.pid}/smaps_rollup").read_text("ascii"), re.MULTILINE)
        assert found is not None
        return round(int(found[1]) / 1024, 1)

    @property
    def cpu_s(self) -> float:
        """The processor time it has used, of all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def files(self) -> int:
        """How many files and sockets it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def threads(self) -> int:
        """How many threads it has."""
        return len(os.listdir(f"/proc/{self.pid}/task"))


@asynccontextmanager
async def model_server(port: int, words: int = 20) -> AsyncIterator[Running]:
    """Run the model server, whose replies have so many words."""
    command = (sys.executable, "-m", "tests.benchmarks.performance.model_server", str(port), str(words))
    async with _process(command, f"http://127.0.0.1:{port}", {}) as running:
        await answers(running, "/v1/models")
        yield running


@asynccontextmanager
async def backend(home: Path, port: int, model_url: str, settings: Mapping[str, str]) -> AsyncIterator[Running]:
    """Start `attune serve`; it may not answer yet."""
    environment = {
        "ATTUNE_HOME": str(home),
        "ATTUNE_DISCOVER": "false",
        "ATTUNE_POLICY__ENGINE": "openai_compatible",
        "ATTUNE_POLICY__BASE_URL": f"{model_url}/v1",
        "ATTUNE_POLICY__MODEL": "scripted",
        "ATTUNE_SERVER__MESSAGES_PER_MINUTE": "0",
        "ATTUNE_SERVER__STREAMS_AT_ONCE": "0",
        "HF_HUB_OFFLINE": "1",
        **settings,
    }
    command = (sys.executable, "-m", "assistant.cli", "serve", "--port", str(port))
    async with _process(command, f"http://127.0.0.1:{port}", environment) as running:
        yield running


async def answers(running: Running, path: str, saying: str = "") -> float:
    """Wait until a path answers 200, with these words in it; returns the seconds since the process was started."""
    async with httpx.AsyncClient(base_url=running.url, timeout=30, trust_env=False) as client:
        while True:
            with suppress(httpx.TransportError):
                answer = await client.get(path)
                if answer.status_code == 200 and saying in answer.text:
                    return time.monotonic() - running.started
            if time.monotonic() - running.started > _WITHIN_S:
                raise RuntimeError(f"{running.url}{path} does not answer")
            await asyncio.sleep(_LOOK_S)


def client_of(running: Running, home: Path) -> httpx.AsyncClient:
    """A client with the local owner's key."""
    headers = {"authorization": f"Bearer {owner_key(home)}"}
    return httpx.AsyncClient(base_url=running.url, headers=headers, timeout=120, trust_env=False)


@asynccontextmanager
async def _process(command: tuple[str, ...], url: str, environment: Mapping[str, str]) -> AsyncIterator[Running]:
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environment}, cwd=ROOT)
    try:
        yield Running(url, process.pid, started)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 60)
        except TimeoutError:
            process.kill()
            await process.wait()
