"""The parts of a cluster as processes that can be killed, stopped and started again on the same port."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.fakes.postgres_server import binaries
from training.child import tail

ROOT = Path(__file__).parents[2]
READY_S = 400.0
"""A restarted part must answer within this time, on however busy a machine."""


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass(slots=True)
class Part:
    """One program of the cluster."""

    name: str
    log: Path
    command: Sequence[str] = ()
    health: str = ""
    """A URL that answers 200 when it is ready."""
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    async def start(self) -> float:
        """Start it and return after how many seconds it was ready."""
        self.launch()
        return await self.ready()

    def launch(self) -> None:
        """Start it, without waiting."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                cwd=ROOT,
                start_new_session=True,
            )

    async def ready(self) -> float:
        """Wait until it answers; returns the seconds that took."""
        begun = time.monotonic()
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            while not await self._answers(client):
                assert time.monotonic() < begun + READY_S, f"{self.name} is not ready:\n{tail(self.log)}"
                assert self.process is None or self.process.poll() is None, f"{self.name} ended:\n{tail(self.log)}"
                await asyncio.sleep(0.1)
        return time.monotonic() - begun

    async def kill(self) -> None:
        """Kill it with SIGKILL, with everything it started."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await asyncio.to_thread(self.process.wait)

    async def stop(self) -> int:
        """Ask it to end and return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, READY_S)

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        with suppress(httpx.TransportError):
            answer = await client.get(self.health)
            return answer.status_code == 200 and '"starting"' not in answer.text
        return False


@dataclass(slots=True)
class Postgres(Part):
    """A Postgres that keeps what it acknowledged when it is killed; as root it runs as the user `postgres`."""

    home: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="attune-postgres-")))
    """Where the user `postgres` may enter, unlike pytest's directories."""
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"postgresql+asyncpg://attune@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        """Make the cluster of databases."""
        bin = binaries()
        assert bin is not None, "Postgres is not installed: apt-get install postgresql"
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if user:
            shutil.chown(self.home, "postgres")
        data = str(self.home / "data")
        made = [*user, str(bin / "initdb"), "-D", data, "-U", "attune", "-A", "trust", "-E", "UTF8", "--no-sync", "-N"]
        subprocess.run(made, cwd="/", check=True, capture_output=True, timeout=READY_S)
        # Nothing is written to disk at once, which killing a process does not show; what is committed is handed over.
        settings = ("fsync=off", "full_page_writes=off", "max_connections=200", f"unix_socket_directories={self.home}")
        options = [part for one in settings for part in ("-c", one)]
        self.command = [*user, str(bin / "postgres"), "-D", data, "-p", str(self.port), "-h", "127.0.0.1", *options]

    async def ready(self) -> float:
        """Wait until it takes connections; a killed one may have to be started several times."""
        import asyncpg  # type: ignore[import-untyped]

        begun = time.monotonic()
        while True:
            try:
                connection = await asyncpg.connect(self.url.replace("+asyncpg", ""), timeout=5)
            except (OSError, TimeoutError, asyncpg.PostgresError):
                assert time.monotonic() < begun + READY_S, f"Postgres is not ready:\n{tail(self.log)}"
                if self.process is not None and self.process.poll() is not None:
                    self.launch()  # children of the killed one still hold its memory
                await asyncio.sleep(0.2)
            else:
                await connection.close()
                return time.monotonic() - begun


def attune(name: str, kind: str, port: int, directory: Path, environment: Mapping[str, str]) -> Part:
    """An `attune serve` or `attune work` with the configuration of clusters."""
    command = [sys.executable, "-m", "assistant.cli", kind, "--config", "configs/cluster.toml", "--port", str(port)]
    home = directory / name
    health = f"http://127.0.0.1:{port}/readyz"
    return Part(name, directory / f"{name}.log", command, health, {**environment, "ATTUNE_HOME": str(home)})
