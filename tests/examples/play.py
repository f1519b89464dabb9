"""Sends every example with the real curl to a backend with the builtin responder; as a program, writes the page."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.models.auto import choose
from assistant.prompt import prompt_hash
from tests.examples.example import PAGE, Example, examples, fenced, files, objects, page
from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder

_TOLD = "%{stderr}%{http_code} %{content_type}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What curl was told."""

    status: int
    content_type: str
    body: str

    @property
    def value(self) -> Any:
        """The JSON, or the objects of a stream; None for anything else."""
        if self.content_type.startswith(("text/event-stream", "application/x-ndjson")):
            return objects(self.body)
        return json.loads(self.body) if self.content_type.startswith("application/json") else None


@contextlib.asynccontextmanager
async def stage(home: Path) -> AsyncIterator[Backend]:
    """A backend as the examples find it: the builtin responder answers, and a slow machine changes nothing."""
    choose(home, "builtin")
    patient: Any = {"memory": {"recall": {"deadline_ms": 60_000}}, "server": {"duplicate_window_s": 600}}
    async with running(home, embedder=shared_embedder(), **patient) as backend:
        yield backend


async def play(backend: Backend, folder: Path) -> AsyncIterator[tuple[Example, Answer]]:
    """Send the examples in their order; yields each with its answer."""
    variables = {"ATTUNE": backend.url, "KEY": backend.key, "SHA256": "0" * 64, "PROMPT_HASH": prompt_hash("full")}
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")
    for example in examples():
        if example.route == "GET /v1/admin/jobs":
            await backend.runtime.ledger.jobs.enqueue(backend.runtime.owner.id, "unheard-of", {})
        if example.learned:
            assert await backend.runtime.worker.drain(300)
        answer = await curl(example, variables, folder)
        yield example, answer
        for name, place in example.keep.items():
            variables[name] = _at(answer.value, place)


async def curl(example: Example, variables: dict[str, str], folder: Path) -> Answer:
    """Run the line of the page in a shell that has the variables."""
    line = f"{example.command} -w '{_TOLD}' --noproxy '*' --max-time 300"
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", line, stdout=-1, stderr=-1, cwd=folder, env={**os.environ, **variables}
    )
    out, err = await process.communicate()
    assert process.returncode == 0, (line, err.decode())
    status, _, content_type = err.decode().partition(" ")
    return Answer(int(status), content_type.strip(), out.decode())


def _at(value: Any, place: str) -> str:
    """What stands at a dotted place; of a stream, in the first object that has it."""
    for one in value if isinstance(value, list) else [value]:
        found = one
        for step in place.split("."):
            found = found[int(step)] if isinstance(found, list) else (found or {}).get(step)
        if found is not None:
            return str(found)
    raise AssertionError(f"nothing at {place!r} of {value!r}")


async def record() -> None:
    """Write the page anew."""
    with tempfile.TemporaryDirectory() as folder:
        await shared_embedder().ready()
        async with stage(Path(folder) / "home") as backend:
            blocks = []
            async for example, answer in play(backend, Path(folder)):
                assert answer.status == example.status, (example.route, answer)
                blocks.append(fenced(answer.content_type, answer.body))
    PAGE.write_text(page(blocks), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(record())
