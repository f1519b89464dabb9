"""The programs in the docs run as they stand there, against a backend with the builtin responder."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.examples.play import stage
from tests.fakes.backend import Backend
from tests.fakes.embedding import shared_embedder

ROOT = Path(__file__).parents[2]


def programs(page: str) -> list[str]:
    """The Python on a page."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)


async def run(program: str, **environment: str) -> str:
    """What a program prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=-1, stderr=-1, env={**os.environ, "NO_PROXY": "*", **environment}
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.timeout(600)
async def test_the_programs_of_the_guide_show_notices_and_replies(tmp_path: Path) -> None:
    native, app = programs("docs/api.md")
    await shared_embedder().ready()
    async with stage(tmp_path) as backend:
        printed = await run(native, ATTUNE_URL=backend.url, ATTUNE_KEY=backend.key)
        assert "[Attune is an AI, not a person" in printed and "Biscuit" in printed
        _, secret = await backend.runtime.ledger.keys.create("app", scopes=("act_as",))
        printed = await run(app, ATTUNE_URL=backend.url, ATTUNE_APP_KEY=secret)
        assert printed.count("[Attune is an AI, not a person") == 2
        assert printed.count("to ada: ") == printed.count("to grace: ") == 2
        await _the_readme_s(backend)


async def _the_readme_s(backend: Backend) -> None:
    [program] = programs("README.md")
    there = program.replace("http://127.0.0.1:8300", backend.url)
    there = there.replace("/path/of/the/data/directory", str(backend.runtime.home))
    assert there.count(backend.url) == 1 and "/path/of" not in there
    await run(there)
    listed = (await backend.client.get("/v1/conversations")).json()["data"]
    assert "My dog is ill." in [one["title"] for one in listed]
