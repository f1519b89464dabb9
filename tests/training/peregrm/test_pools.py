from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fakes.judging import config_of, example
from tests.fakes.scripted_answers import error, reply
from tests.fakes.scripted_server import ScriptedServer
from training.calls import CallError
from training.example import TRAITS, Example, Level, Trait
from training.peregrm.config import JudgeConfig, PoolConfig
from training.peregrm.pools import write_pools
from training.personaemp.dataset import SPLITS, Writer, path_of, read_examples
from training.personaemp.identity import Identity
from training.personaemp.manifest import BuildInfo, file_sha256, read_manifest
from training.personaemp.split import SplitRule

GOOD = reply(
    '{"criteria": [{"text": "Goes slowly", "weight": 40}, {"text": "Leaves the choice", "weight": 30},'
    ' {"text": "Offers no cure", "weight": 30}]}'
)
WORDS = ("harbour", "violin", "garden", "winter", "bicycle", "letters", "kitchen", "mountain", "theatre", "orchard")


def people() -> Iterator[Example]:
    levels: tuple[Level, ...] = ("low", "medium", "high")
    for n in range(60):
        five: dict[Trait, Level] = dict.fromkeys(TRAITS, "medium")
        five |= {"openness": levels[n % 3], "agreeableness": levels[n // 3 % 3], "extraversion": levels[n * 2 % 3]}
        query = " ".join(WORDS[(n * k + n // 10 + k) % 10] + str(n * k) for k in range(1, 12))
        yield replace(example(id=f"e{n}", rulers=0), person=f"p{n}", query=query, big_five=five, split=None)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "set"
    with Writer.open(out, Identity("set_test", "00", datetime(2026, 5, 1, tzinfo=UTC))) as writer:
        for one in people():
            writer.add(one)
        writer.finish(SplitRule(), BuildInfo(sources=(), prompts={}, models={}, drops={}))
    return out


def judge(server: ScriptedServer) -> JudgeConfig:
    config = config_of(server.base_url, retries=0)
    return config.model_copy(update={"criteria": PoolConfig(endpoint=config.endpoint)})


async def test_a_writer_that_fails_leaves_the_rows_as_they_were(built: Path) -> None:
    before = {split: path_of(built, split).read_bytes() for split in SPLITS}
    async with ScriptedServer(default=error(503)) as server:
        with pytest.raises(CallError):
            await write_pools(built, judge(server), 2)
    assert {split: path_of(built, split).read_bytes() for split in SPLITS} == before


async def test_every_row_gets_its_pool_and_the_manifest_the_new_hashes(built: Path) -> None:
    before = {split: list(read_examples(built, split)) for split in SPLITS}
    seen: list[tuple[int, int]] = []
    async with ScriptedServer(default=GOOD) as server:
        assert await write_pools(built, judge(server), 2, progress=lambda *at: seen.append(at)) == 60
        assert len(server.chats) == 60 * 3 * 2
    for split in SPLITS:
        after = list(read_examples(built, split))
        bare = [[replace(one, criteria={}) for one in rows] for rows in (after, before[split])]
        assert bare[0] == bare[1]
        assert all(len(pool) == 2 for one in after for pool in one.criteria.values())
        assert all(len(one.criteria) == 3 for one in after)
        assert read_manifest(built).files[split].sha256 == file_sha256(path_of(built, split))
    assert seen[-1] == (60, 60)
