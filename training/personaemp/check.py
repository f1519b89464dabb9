"""Whether a data set may be trained on: whole, and without a row that somebody has taken back since.

The rows of people of the ledger are registered there when the data set is written (`register`); what is forgotten or
withdrawn later marks them, and `check_dataset` refuses a data set with marked rows until it is built anew. A data set
that was written and never registered, because the build was killed between the two, is registered by the check.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from memory.errors import NotFoundError
from memory.ledger.datasets import DatasetRow
from memory.ledger.ledger import Ledger
from training.errors import DatasetError
from training.personaemp.dataset import path_of, read_examples
from training.personaemp.manifest import Manifest, file_sha256, read_manifest

LEDGER_PERSON = "p_"
"""How the random ids of people of the ledger begin (see memory.ledger.datasets); those of other sources never do."""


async def register(ledger: Ledger, dataset_dir: Path) -> Manifest:
    """Note in the ledger what each row of a data set rests on; doing it again changes nothing.

    Raises:
        DatasetError: it is not whole, or this ledger knows nothing of it.
        LedgerError: the ledger failed.
    """
    manifest = check_files(dataset_dir)
    try:
        await ledger.datasets.finish(
            manifest.id, _absolute(dataset_dir), manifest.sha256(), _rows(dataset_dir, manifest)
        )
    except NotFoundError as error:
        raise _unknown(dataset_dir, manifest) from error
    return manifest


async def check_dataset(dataset_dir: Path, ledger: Ledger | None) -> Manifest:
    """Return the manifest of a data set that may be trained on.

    Args:
        dataset_dir: What `attune-train data build` wrote, or a copy of it.
        ledger: The one whose people are in it; None only where none are.

    Raises:
        DatasetError: it is not whole, holds marked rows, or cannot be checked; the message says how to go on.
        LedgerError: the ledger failed.
    """
    manifest = read_manifest(dataset_dir)
    if manifest.build.consent is None:
        return check_files(dataset_dir)
    if ledger is None:
        raise DatasetError(
            f"{dataset_dir} holds people of a ledger, and without it nobody can tell whether they still agree. "
            "Repair: run this where the ledger is, with its ATTUNE_HOME or ATTUNE_CONFIG"
        )
    try:
        known = await ledger.datasets.get(manifest.id)
    except NotFoundError as error:
        raise _unknown(dataset_dir, manifest) from error
    if known.manifest_sha256 == manifest.sha256():
        await _refuse_marked(dataset_dir, manifest, ledger)  # before its files: forgetting may have deleted them
    check_files(dataset_dir)
    if known.manifest_sha256 is None:
        await register(ledger, dataset_dir)
    elif known.manifest_sha256 != manifest.sha256():
        raise DatasetError(
            f"{dataset_dir} was changed after it was built, or built again since, and then only the newer one counts. "
            "Repair: use that one, or build the data set anew"
        )
    await _refuse_marked(dataset_dir, manifest, ledger)
    return manifest


def check_files(dataset_dir: Path) -> Manifest:
    """Return the manifest of a data set whose files are those that it names.

    Raises:
        DatasetError: something is missing or was changed.
    """
    manifest = read_manifest(dataset_dir)
    for split, file in manifest.files.items():
        path = path_of(dataset_dir, split)
        try:
            changed = file_sha256(path) != file.sha256
        except OSError as error:
            raise DatasetError(f"cannot read {path}: {error.strerror}. Repair: build the data set anew") from error
        if changed:
            raise DatasetError(f"{path} is not the file that was written. Repair: build the data set anew")
    return manifest


async def _refuse_marked(dataset_dir: Path, manifest: Manifest, ledger: Ledger) -> None:
    marked = await ledger.datasets.marked_counts(manifest.id)
    if marked:
        counts = " and ".join(f"{count} {reason}" for reason, count in sorted(marked.items()))
        raise DatasetError(
            f"{dataset_dir} must not be trained on: of its {manifest.rows} rows {counts} since it was built. "
            "Repair: run `attune-train data build` again, and remove this one"
        )


async def _rows(dataset_dir: Path, manifest: Manifest) -> AsyncIterator[DatasetRow]:
    for split in manifest.files:
        for example in read_examples(dataset_dir, split):
            if example.person.startswith(LEDGER_PERSON):
                facts = (memory.fact_id for memory in example.memory if memory.fact_id)
                messages = (id for memory in example.memory for id in memory.message_ids)
                yield DatasetRow(example.id, example.person, tuple({*facts, *messages, *example.message_ids}))


def _absolute(dataset_dir: Path) -> str:
    return str(dataset_dir.absolute())


def _unknown(dataset_dir: Path, manifest: Manifest) -> DatasetError:
    return DatasetError(
        f"{dataset_dir} ({manifest.id}) was not built from this ledger, so nobody can tell whether its people agree. "
        "Repair: name the ledger it was built from with ATTUNE_HOME or ATTUNE_CONFIG, or build a data set from this one"
    )
