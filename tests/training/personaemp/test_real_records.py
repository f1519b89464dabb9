import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fakes.examples import example
from training.errors import DatasetError
from training.example import Example, Memory
from training.personaemp.check import check_dataset
from training.personaemp.dataset import Writer
from training.personaemp.identity import Identity
from training.personaemp.manifest import BuildInfo, read_manifest
from training.personaemp.near import NearTexts
from training.personaemp.record import Record
from training.personaemp.sources.sources import Sources, SourcesConfig
from training.personaemp.split import SplitRule

REAL = Path(os.environ.get("ATTUNE_TEST_ALPSBENCH", ""))

pytestmark = pytest.mark.skipif(not REAL.is_file(), reason="ATTUNE_TEST_ALPSBENCH names no file of real sessions")


def one_for(record: Record) -> Example:
    turn = next(turn for turn in record.turns if turn.role == "user")
    memories = tuple(Memory(one.text, message_ids=one.message_ids) for one in record.known())
    return example(record.person, query=turn.text, memory=memories, message_ids=(turn.id,))


async def test_real_sessions_become_a_data_set_that_passes_its_checks(tmp_path: Path) -> None:
    identity = Identity("set_real", "00", datetime(2026, 5, 1, tzinfo=UTC))
    sources = Sources(SourcesConfig(alpsbench=REAL), identity)
    read = kept = near_duplicates = rejected = 0
    with Writer.open(tmp_path / "set", identity) as writer, NearTexts.open() as near:
        async for record in sources.records():
            assert isinstance(record, Record)
            read += 1
            rejected += sum(memory.error for memory in record.memories)
            made = one_for(record)
            if next(near.like(made.query), None) is not None:
                near_duplicates += 1
                continue
            near.add(made.person, made.query)
            writer.add(made)
            kept += 1
        writer.finish(
            SplitRule(), BuildInfo(sources=sources.infos(), drops={"near": {"near-duplicate": near_duplicates}})
        )
    manifest = await check_dataset(tmp_path / "set", None)
    assert manifest == read_manifest(tmp_path / "set")
    assert (manifest.people, manifest.rows, kept + near_duplicates) == (kept, kept, read)
    assert (
        rejected > 0 and manifest.build.sources[0].records == read and set(manifest.files) == {"train", "test", "ood"}
    )


async def test_a_query_that_stands_in_two_splits_fails_the_build_of_real_sessions(tmp_path: Path) -> None:
    identity = Identity("set_real", "00", datetime(2026, 5, 1, tzinfo=UTC))
    with pytest.raises(DatasetError, match="leak"), Writer.open(tmp_path / "set", identity) as writer:
        async for record in Sources(SourcesConfig(alpsbench=REAL), identity).records():
            assert isinstance(record, Record)
            writer.add(one_for(record))
            writer.add(example(record.person, 1, query="Everybody asks me the very same question, what do I say?"))
        writer.finish(SplitRule(), BuildInfo())
    assert os.listdir(tmp_path) == []
