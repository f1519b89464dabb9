import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from training.errors import InputFileError
from training.personaemp.identity import Identity
from training.personaemp.manifest import file_sha256
from training.personaemp.record import Record
from training.personaemp.sources.sources import Sources, SourcesConfig

IDENTITY = Identity("set_test", "00", datetime(2026, 5, 1, tzinfo=UTC))


def base(path: Path, count: int) -> Path:
    dialogue = [{"role": "user", "text": "I keep bees."}]
    path.write_text(
        "".join(json.dumps({"session_id": f"s{n}", "dialogue": dialogue}) + "\n" for n in range(count)) + "{\n"
    )
    return path


def own(path: Path, count: int) -> Path:
    path.write_text("".join(json.dumps({"user": n, "role": "user", "content": "Hello."}) + "\n" for n in range(count)))
    return path


async def names(sources: Sources) -> list[str]:
    return [item.source for item in [one async for one in sources.records()] if isinstance(item, Record)]


async def test_all_of_every_source_is_read_where_no_ratio_is_asked_for(tmp_path: Path) -> None:
    config = SourcesConfig(jsonl=own(tmp_path / "own.jsonl", 3), alpsbench=base(tmp_path / "base.jsonl", 5))
    sources = Sources(config, IDENTITY)
    assert await names(sources) == ["jsonl"] * 3 + ["alpsbench"] * 5
    read = {info.name: info for info in sources.infos()}
    assert (read["alpsbench"].records, read["alpsbench"].skipped) == (5, {"not JSON": 1})
    assert read["alpsbench"].sha256 == file_sha256(tmp_path / "base.jsonl") and read["jsonl"].records == 3
    assert await sources.consent() is None


@pytest.mark.parametrize(("ratio", "expected"), [(2.0, 8), (0.5, 2), (1.0, 4), (100.0, 20)])
async def test_the_base_set_is_mixed_in_by_the_stated_ratio(tmp_path: Path, ratio: float, expected: int) -> None:
    files = {"jsonl": own(tmp_path / "own.jsonl", 4), "alpsbench": base(tmp_path / "base.jsonl", 20)}
    sources = Sources(SourcesConfig(**files, base_per_own=ratio), IDENTITY)
    found = await names(sources)
    assert (found.count("jsonl"), found.count("alpsbench")) == (4, expected)
    assert [info.records for info in sources.infos()] == [4, expected]


def test_a_configuration_without_a_source_or_with_a_ratio_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="no source"):
        SourcesConfig()
    with pytest.raises(ValidationError, match="base_per_own needs alpsbench"):
        SourcesConfig(alpsbench=tmp_path, base_per_own=1.0)
    with pytest.raises(ValidationError, match="surprise"):
        SourcesConfig(ledger=True, surprise=1)  # type: ignore[call-arg]


async def test_a_file_or_a_ledger_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"none\.jsonl"):
        await names(Sources(SourcesConfig(alpsbench=tmp_path / "none.jsonl"), IDENTITY))
    with pytest.raises(InputFileError, match="no ledger is opened"):
        Sources(SourcesConfig(ledger=True), IDENTITY)
