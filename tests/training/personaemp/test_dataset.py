import json
import os
import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.fakes.examples import example, examples
from training.errors import DatasetError
from training.example import Example
from training.personaemp.dataset import SPLITS, Writer, path_of, read_examples
from training.personaemp.identity import Identity, open_identity
from training.personaemp.manifest import BuildInfo, Manifest, SourceInfo, file_sha256, read_manifest
from training.personaemp.split import SplitRule

IDENTITY = Identity("set_test", "00", datetime(2026, 5, 1, tzinfo=UTC))
INFO = BuildInfo(
    sources=(SourceInfo(name="alpsbench", path="x.jsonl", sha256="ab" * 32, records=300, skipped={"no dialogue": 2}),),
    prompts={"query.md": "cd" * 32},
    models={"builder": "some-model"},
    drops={"inspect": {"out of role": 3}, "near": {"near-duplicate": 1}},
    agreement={"openness": {"people": 40, "equal": 0.75, "kappa": 0.6}},
    shortened=7,
    memories_left_out=11,
)


def write(out: Path, rows: Iterable[Example], rule: SplitRule | None = None) -> Manifest:
    with Writer.open(out, IDENTITY) as writer:
        for one in rows:
            writer.add(one)
        return writer.finish(rule or SplitRule(), INFO)


def test_what_is_written_reads_back_with_its_split(tmp_path: Path) -> None:
    manifest = write(tmp_path / "set", examples(60))
    read = {split: list(read_examples(tmp_path / "set", split)) for split in SPLITS}
    assert {one.split for split in SPLITS for one in read[split]} == set(SPLITS)
    found = sorted((replace(one, split=None) for rows in read.values() for one in rows), key=lambda one: one.id)
    assert found == sorted(examples(60), key=lambda one: one.id)
    assert {split: file.rows for split, file in manifest.files.items()} == {s: len(rows) for s, rows in read.items()}


def test_the_manifest_tells_what_stands_there(tmp_path: Path) -> None:
    written = write(tmp_path / "set", examples(60))
    manifest = read_manifest(tmp_path / "set")
    assert manifest == written and manifest.build == INFO
    assert manifest.sha256() == file_sha256(tmp_path / "set" / "manifest.json") == written.sha256()
    assert (manifest.rows, manifest.people, sum(manifest.categories.values())) == (120, 60, 120)
    for split, file in manifest.files.items():
        assert file.sha256 == file_sha256(path_of(tmp_path / "set", split))


def test_the_same_examples_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    rows = list(examples(60))
    write(tmp_path / "one", rows)
    random.Random(3).shuffle(rows)
    write(tmp_path / "two", rows)
    names = [str(path.relative_to(tmp_path / "one")) for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(names) == 9
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_the_card_has_the_figures_and_the_plots(tmp_path: Path) -> None:
    manifest = write(tmp_path / "set", examples(60))
    card = (tmp_path / "set" / "README.md").read_text()
    assert "120 queries of 60 people" in card and f"k = {manifest.split.k}" in card
    assert "| inspect | out of role | 3 |" in card and "| alpsbench | 300 | 2 |" in card
    assert "| openness | 40 | 75% | 0.6 |" in card and "7 prompts, by 11 recalled memories" in card
    plots = {line.split("(")[1].rstrip(")") for line in card.splitlines() if line.startswith("![")}
    assert plots == {f"plots/{name}.svg" for name in ("categories", "traits", "lengths", "drops")}
    assert all((tmp_path / "set" / plot).read_text().startswith("<?xml") for plot in plots)
    assert next(examples(1)).query not in card


def test_verl_finds_its_columns_whatever_the_first_rows_hold(tmp_path: Path) -> None:
    write(tmp_path / "set", (example(f"p{n}", memory=(), message_ids=()) for n in range(60)))
    table = pq.read_table(path_of(tmp_path / "set", "train"))
    assert table.column_names == ["data_source", "prompt", "ability", "reward_model", "extra_info"]
    row = table.slice(0, 1).to_pylist()[0]
    assert row["prompt"][0] == {"role": "system", "content": "Be kind."}
    assert row["extra_info"]["fact_ids"] == [] and row["extra_info"]["index"] == 0


def test_too_few_people_are_refused_with_the_figure_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds 21 people and needs 22"):
        write(tmp_path / "set", examples(21))
    assert list(tmp_path.iterdir()) == []


def test_an_id_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="two examples have the id p-0"):
        write(tmp_path / "set", [example("p"), example("p")])


def test_other_traits_for_the_same_person_are_refused(tmp_path: Path) -> None:
    other = dict.fromkeys(example("p").big_five, "low")
    with pytest.raises(DatasetError, match="other traits"):
        write(tmp_path / "set", [example("p", 0), example("p", 1, big_five=other | {"openness": "medium"})])


def test_a_query_that_nearly_repeats_one_of_another_split_fails_the_build(tmp_path: Path) -> None:
    rows = [
        example(f"p{n}", query=f"What do I say to my boss about the late trains, please{'!' * n}") for n in range(60)
    ]
    with pytest.raises(DatasetError, match="queries of test nearly repeat one of train"):
        write(tmp_path / "set", rows)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "set", tmp_path / "file", Path("/proc/set")):
        with pytest.raises(DatasetError, match="Repair"), Writer.open(out, IDENTITY):
            pytest.fail("nothing may be built")


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "set", examples(60))
    before = (tmp_path / "set" / "manifest.json").read_bytes()
    with pytest.raises(DatasetError, match="holds something already"):
        write(tmp_path / "set", examples(70))
    assert (tmp_path / "set" / "manifest.json").read_bytes() == before


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write(tmp_path / "set", examples(60))
    assert os.listdir(tmp_path) == ["set"]


def test_a_damaged_data_set_is_refused_with_the_place(tmp_path: Path) -> None:
    write(tmp_path / "set", examples(60))
    path_of(tmp_path / "set", "test").write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match=r"test\.parquet"):
        list(read_examples(tmp_path / "set", "test"))
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())
    (tmp_path / "set" / "manifest.json").write_text(json.dumps(manifest | {"surprise": 1}))
    with pytest.raises(DatasetError, match="surprise"):
        read_manifest(tmp_path / "set")
    with pytest.raises(DatasetError, match="is no data set"):
        read_manifest(tmp_path)


def test_a_build_that_goes_on_keeps_its_identity_and_tells_nobody_its_secret(tmp_path: Path) -> None:
    first = open_identity(tmp_path / "work")
    assert open_identity(tmp_path / "work") == first != open_identity(tmp_path / "other")
    assert first.secret not in repr(first)
    assert (tmp_path / "work" / "identity.json").stat().st_mode & 0o077 == 0
    (tmp_path / "work" / "identity.json").write_text("{")
    with pytest.raises(DatasetError, match="is damaged"):
        open_identity(tmp_path / "work")
