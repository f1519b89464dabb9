"""A data set built with the real vLLM: random weights write noise that is valid under every schema, or fail cleanly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.embedding import shared_embedder
from tests.fakes.sessions import write_sessions
from training.caller import Caller
from training.endpoint import Endpoint
from training.errors import DatasetError
from training.personaemp.build import build
from training.personaemp.build_config import BuildConfig, FailureLimit
from training.personaemp.sources.sources import SourcesConfig
from training.personaemp.split import SplitRule
from training.vllm_server import VllmServer

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]


@pytest.mark.parametrize("share", [0.0, 1.0])
async def test_noise_builds_a_data_set_or_fails_by_the_threshold(
    server: VllmServer, tmp_path: Path, share: float
) -> None:
    config = BuildConfig(
        out=tmp_path / "set",
        sources=SourcesConfig(alpsbench=write_sessions(tmp_path / "sessions.jsonl", 6)),
        builder=Endpoint(
            base_url=server.base_url,
            model=server.model,
            concurrency=4,
            temperature=1.0,
            max_tokens=256,
            reasks=0,
            seeded=False,
        ),
        split=SplitRule(test_share=0.4, min_test_people=1, ood=False),
        failures=FailureLimit(share=share, stop_after=1),
    )
    try:
        built = await build(config, embedder=shared_embedder())
    except DatasetError as error:
        # Random weights seldom take anybody through every gate: then there are too few people, or too many failures.
        assert "Repair" in str(error)
        assert not config.out.exists()
    else:
        assert built.manifest.rows > 0
    async with Caller.open(config.builder, config.work_dir / "answers.sqlite") as caller:
        await caller.check()
