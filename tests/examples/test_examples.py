"""Every endpoint has an example, and every example is sent with curl and answered as the page says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from assistant.app import create_app
from assistant.config import AssistantConfig
from tests.examples.example import PAGE, answered, documented, examples, keys, page
from tests.examples.play import play, stage
from tests.fakes.embedding import shared_embedder


def test_every_endpoint_has_an_example() -> None:
    paths = create_app(AssistantConfig()).openapi()["paths"]
    served = {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}
    assert served | {"GET /metrics"} == {example.route for example in examples()}, "tests/examples/requests.toml"


def test_the_page_shows_the_requests_as_they_are() -> None:
    text = PAGE.read_text("utf-8")
    assert text == page(answered(text)), "run: python -m tests.examples.play"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.timeout(900)
async def test_curl_is_answered_as_the_page_says(tmp_path: Path) -> None:
    await shared_embedder().ready()
    shown = iter(answered(PAGE.read_text("utf-8")))
    async with stage(tmp_path / "home") as backend:
        async for example, answer in play(backend, tmp_path):
            said = documented(next(shown))
            assert answer.status == example.status, f"{example.command}\n{answer.body}"
            assert keys(answer.value) == keys(said), f"{example.command}\nrun: python -m tests.examples.play"
