"""A data set on disk: `train`, `test` and `ood` in parquet as verl reads it, `manifest.json` and the card, or nothing.

Examples are written as they come into a spool beside the target and are never held together in memory. At the end the
people are divided, the rows written in an order that the seed alone decides, checked for leaks, and the whole directory
renamed into place: the same examples give the same rows, and a build that fails leaves no data set. Whose words they
are is not known here; see `check` for what must not be trained on.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from training.errors import DatasetError
from training.example import CATEGORIES, Example, Split, from_row
from training.personaemp.card import write_card
from training.personaemp.identity import Identity
from training.personaemp.leakage import check_leakage
from training.personaemp.manifest import (
    MANIFEST,
    BuildInfo,
    FileInfo,
    Manifest,
    SplitReport,
    file_sha256,
    read_manifest,
)
from training.personaemp.split import SplitPlan, SplitRule, plan_splits
from training.personaemp.spool import Spool

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS: tuple[Split, ...] = get_args(Split)
_ROWS_AT_ONCE = 256


class Writer:
    """A data set being written; `open` makes it."""

    def __init__(self, out_dir: Path, work: Path, spool: Spool, identity: Identity) -> None:
        self._out_dir = out_dir
        self._work = work
        self._spool = spool
        self._identity = identity

    @classmethod
    @contextmanager
    def open(cls, out_dir: Path, identity: Identity) -> Iterator[Writer]:
        """Begin writing; what was not finished is removed on leaving.

        Raises:
            DatasetError: the directory cannot be written, or holds something already.
        """
        work = out_dir.absolute().with_name(f".{out_dir.name}.{os.getpid()}.partial")
        _claim(out_dir, work)
        try:
            with Spool.open(work / "spool.db") as spool:
                yield cls(out_dir, work, spool, identity)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def add(self, example: Example) -> None:
        """Take an example, of whatever split; splits are decided at the end.

        Raises:
            DatasetError: its id was there before, or its traits are not those of the person's other examples.
        """
        self._spool.add(example)

    def finish(self, rule: SplitRule, info: BuildInfo) -> Manifest:
        """Divide the people, write everything, and put it in place.

        Raises:
            DatasetError: there are too few people, something leaks from one split into another, or the disk is full.
        """
        plan = plan_splits(self._spool.people(), rule)
        self._spool.assign(plan.splits, rule.seed)
        ready = self._work / "ready"
        try:
            ready.mkdir()
            files = {split: _write_split(self._spool, split, ready) for split in SPLITS if self._spool.count(split)}
            check_leakage({split: _queries(ready, split) for split in files})
            manifest = Manifest(
                id=self._identity.id,
                created_at=self._identity.began,
                build=info,
                split=_report(plan, rule),
                categories={category: self._spool.categories()[category] for category in CATEGORIES},
                files=files,
            )
            (ready / MANIFEST).write_text(manifest.text(), encoding="utf-8")
            write_card(ready, manifest, (one for split in files for one in read_examples(ready, split)))
            os.replace(ready, self._out_dir)
        except OSError as error:
            raise DatasetError(
                f"cannot write {self._out_dir}: {error.strerror or error}. Repair: make room or write elsewhere"
            ) from error
        return manifest


def read_examples(dataset_dir: Path, split: Split) -> Iterator[Example]:
    """Yield the examples of a split, few at a time.

    Raises:
        DatasetError: there is no such file, or it is not one of ours.
    """
    for number, row in enumerate(_rows(dataset_dir, split)):
        try:
            yield from_row(row)
        except (KeyError, ValueError, TypeError) as error:
            raise DatasetError(f"{path_of(dataset_dir, split)}: row {number} is no example: {error!r}") from error


def replace_rows(dataset_dir: Path, split: Split, examples: Sequence[Example]) -> None:
    """Write the examples of a split anew, in their order; the file and its hash in the manifest change at the end.

    Raises:
        DatasetError: they are not the rows that were there, or the disk is full.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    manifest, path = read_manifest(dataset_dir), path_of(dataset_dir, split)
    if len(examples) != manifest.files[split].rows:
        raise DatasetError(f"{path} has {manifest.files[split].rows} rows, not {len(examples)}. Repair: build it anew")
    schema, new = _schema(), path.with_suffix(".partial")
    try:
        with pq.ParquetWriter(new, schema, compression="zstd") as writer:
            for first in range(0, len(examples), _ROWS_AT_ONCE):
                part = examples[first : first + _ROWS_AT_ONCE]
                rows = [example.row(first + place) for place, example in enumerate(part)]
                writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
        info = FileInfo(rows=len(examples), sha256=file_sha256(new))
        changed = manifest.model_copy(update={"files": {**manifest.files, split: info}})
        os.replace(new, path)
        (dataset_dir / MANIFEST).write_text(changed.text(), encoding="utf-8")
    except OSError as error:
        raise DatasetError(f"cannot write {path}: {error.strerror or error}. Repair: make room") from error
    finally:
        new.unlink(missing_ok=True)


def path_of(dataset_dir: Path, split: Split) -> Path:
    """Return where the rows of a split are."""
    return dataset_dir / f"{split}.parquet"


def _claim(out_dir: Path, work: Path) -> None:
    try:
        if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
            raise DatasetError(f"{out_dir} holds something already. Repair: remove it, or choose another directory")
        _remove_left_behind(out_dir)
        work.mkdir(parents=True)
        if out_dir.exists() and not os.access(out_dir, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise DatasetError(
            f"cannot write a data set to {out_dir}: {error.strerror or error}. "
            "Repair: choose a directory that you may write, on a disk with room"
        ) from error


def _remove_left_behind(out_dir: Path) -> None:
    """Remove what builds that were killed left half written: it holds people's words."""
    for partial in out_dir.absolute().parent.glob(f".{out_dir.name}.*.partial"):
        process = partial.name.split(".")[-2]
        if process.isdigit() and (int(process) == os.getpid() or not _runs(int(process))):
            shutil.rmtree(partial, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _rows(dataset_dir: Path, split: Split) -> Iterator[dict[str, object]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = path_of(dataset_dir, split)
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"cannot read {path}: {error}. Repair: build the data set anew") from error


def _queries(dataset_dir: Path, split: Split) -> Iterator[tuple[str, str]]:
    for example in read_examples(dataset_dir, split):
        yield example.person, example.query


def _write_split(spool: Spool, split: Split, directory: Path) -> FileInfo:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, path, index = _schema(), path_of(directory, split), 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for examples in spool.examples(split, _ROWS_AT_ONCE):
            rows = [example.row(index + place) for place, example in enumerate(examples)]
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
            index += len(rows)
    return FileInfo(rows=index, sha256=file_sha256(path))


def _schema() -> pa.Schema:
    """Return the form of a row, written out so that it does not depend on which rows come first."""
    import pyarrow as pa

    text, texts = pa.string(), pa.list_(pa.string())
    extra = dict.fromkeys(("id", "split"), text) | {"index": pa.int64()}
    extra |= dict.fromkeys(("person", "category", "origin", "language", "persona", "situation", "query"), text)
    extra |= {"memory": texts, "memory_sources": text, "big_five": text, "criteria": text}
    extra |= {"fact_ids": texts, "message_ids": texts}
    return pa.schema(
        {
            "data_source": text,
            "prompt": pa.list_(pa.struct({"role": text, "content": text})),
            "ability": text,
            "reward_model": pa.struct({"style": text, "ground_truth": text}),
            "extra_info": pa.struct(extra),
        }
    )


def _report(plan: SplitPlan, rule: SplitRule) -> SplitReport:
    people = Counter(plan.splits.values())
    found = plan.clustering
    return SplitReport(
        rule=rule,
        k=found.k if found else None,
        silhouettes=found.silhouettes if found else {},
        held_out=found.held_out if found else {},
        people={split: people[split] for split in SPLITS},
    )
