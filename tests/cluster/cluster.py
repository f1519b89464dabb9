"""A whole cluster on this machine: two backends, two workers, Postgres, a Chroma server, two model servers."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from assistant.rollout.vllm import ENVIRONMENT, LORA_ENVIRONMENT, SERVE_PYTHON, lora_options
from assistant.rollout.vllm import command as policy_command
from memory.config import MemoryConfig
from memory.ledger.ledger import Ledger
from tests.cluster.parts import Part, Postgres, attune, free_port
from tests.cluster.people import Caller, Talker, marks
from tests.fakes.tiny_lora import RANK

ModelServer = Callable[[str, int, Path], Part]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Everything that runs, and how to speak to it."""

    postgres: Postgres
    chroma: Part
    models: Sequence[Part]
    serves: Sequence[Part]
    works: Sequence[Part]
    urls: Sequence[str]
    """Of the backends."""
    model_urls: Sequence[str]
    """Of the model servers, up to and with `/v1`."""
    ledger: Ledger
    admin: Caller
    """The owner's client."""

    @property
    def parts(self) -> list[Part]:
        """Every part, in the order in which they are killed."""
        return [*self.serves, *self.works, *self.models, self.chroma, self.postgres]

    async def talkers(self, number: int) -> list[Talker]:
        """Make so many people, half of whom ask one backend first and half the other."""
        found = []
        for at, mark in enumerate(marks(number)):
            person = (await self.ledger.users.create()).id
            secret = (await self.ledger.keys.create("user", person))[1]
            found.append(Talker(person, Caller(self.urls, secret, at), mark))
        return found


def scripted(name: str, port: int, directory: Path) -> Part:
    """A model server that runs no model."""
    command = [sys.executable, "-m", "tests.cluster.model_server", name, str(port)]
    return Part(name, directory / f"{name}.log", command, f"http://127.0.0.1:{port}/v1/models")


def vllm(model: Path, name: str, port: int, directory: Path) -> Part:
    """A real vLLM on this model, which takes adapters while it runs."""
    command = policy_command(
        str(model), "attune-base", python=SERVE_PYTHON, host="127.0.0.1", port=port, context_tokens=8192
    )
    environment = {**ENVIRONMENT, **LORA_ENVIRONMENT}
    health = f"http://127.0.0.1:{port}/health"
    return Part(name, directory / f"{name}.log", [*command, *lora_options(RANK)], health, environment)


@asynccontextmanager
async def cluster(directory: Path, model_server: ModelServer = scripted) -> AsyncIterator[Cluster]:
    """Start everything, and end it on leaving."""
    owner_key, ports = secrets.token_urlsafe(32), [free_port() for _ in range(7)]
    postgres = Postgres("postgres", log=directory / "postgres.log")
    await asyncio.to_thread(postgres.create)
    chroma = _chroma(ports[0], directory)
    models = [model_server(f"model{n}", port, directory) for n, port in enumerate(ports[1:3], start=1)]
    model_urls = [f"http://127.0.0.1:{port}/v1" for port in ports[1:3]]
    for name, secret in (("database_url", postgres.url), ("owner_key", owner_key)):
        (directory / name).write_text(secret, encoding="utf-8")
    environment = {
        "ATTUNE_MEMORY__DATABASE_URL_FILE": str(directory / "database_url"),
        "ATTUNE_OWNER_KEY_FILE": str(directory / "owner_key"),
        "ATTUNE_MEMORY__INDEX__CHROMA_URL": f"http://127.0.0.1:{ports[0]}",
        "ATTUNE_POLICY__BASE_URL": model_urls[0],
        "ATTUNE_POLICY__MAX_TOKENS": "32",
        "ATTUNE_REFLECT__ENGINE": "builtin",
        "ATTUNE_POLICIES__GATES": "[]",
        "ATTUNE_SERVER__MESSAGES_PER_MINUTE": "0",
        "ATTUNE_MEMORY__REFLECTION__LEASE_S": "10",
    }
    serves = [attune(f"serve{n}", "serve", port, directory, environment) for n, port in enumerate(ports[3:5], start=1)]
    works = [attune(f"work{n}", "work", port, directory, environment) for n, port in enumerate(ports[5:7], start=1)]
    urls = [f"http://127.0.0.1:{port}" for port in ports[3:5]]
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, postgres.home, ignore_errors=True)
        for part in (postgres, chroma, *models, *serves, *works):
            stack.push_async_callback(_end, part)
        await postgres.start()
        for part in (chroma, *models, *serves, *works):
            part.launch()
        for part in (chroma, *models, *serves, *works):
            await part.ready()
        ledger = await stack.enter_async_context(Ledger.open(_config(directory, postgres.url)))
        yield Cluster(
            postgres, chroma, models, serves, works, urls, model_urls, ledger, Caller(urls, owner_key, first=0)
        )


def _config(directory: Path, url: str) -> MemoryConfig:
    return MemoryConfig(home=directory / "test", database_url=url)


def _chroma(port: int, directory: Path) -> Part:
    binary = str(Path(sys.executable).with_name("chroma"))
    command = [binary, "run", "--path", str(directory / "chroma"), "--host", "127.0.0.1", "--port", str(port)]
    return Part("chroma", directory / "chroma.log", command, f"http://127.0.0.1:{port}/api/v2/heartbeat")


async def _end(part: Part) -> None:
    if part.process is not None and part.process.poll() is None:
        await part.kill()
