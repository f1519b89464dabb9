"""The app against a scripted backend on real HTTP."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.fakes.driven_app import DrivenApp, driven
from tests.fakes.scripted_backend import KEY, ScriptedBackend
from tui.backend import Launch


@pytest.fixture(autouse=True)
def _the_same_place_and_light(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("NO_COLOR", "ATTUNE_URL", "ATTUNE_KEY", "ATTUNE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
async def backend() -> AsyncIterator[ScriptedBackend]:
    async with ScriptedBackend().serve() as serving:
        yield serving


@pytest.fixture
def launch(backend: ScriptedBackend, tmp_path: Path) -> Launch:
    return Launch(home=tmp_path, url=backend.url, key=KEY)


@pytest.fixture
async def chat(launch: Launch) -> AsyncIterator[DrivenApp]:
    async with driven(launch) as running:
        yield running
