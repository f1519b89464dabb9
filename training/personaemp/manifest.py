"""What a data set was made from and how: `manifest.json` beside its rows; it names nobody and quotes nobody."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from training.errors import DatasetError
from training.example import Category, Level, Split, Trait
from training.personaemp.split import SplitRule

MANIFEST = "manifest.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceInfo(_Part):
    """Where records came from."""

    name: str
    """`ledger`, `alpsbench` or `jsonl`."""
    path: str | None = None
    sha256: str | None = None
    """Of the file, where there is one."""
    records: int = 0
    skipped: Mapping[str, int] = {}
    """What could not be used, by reason."""


class ConsentSnapshot(_Part):
    """Who had agreed when the ledger was exported."""

    at: datetime
    people: int
    """How many are in the ledger."""
    consenting: int
    exported: int
    """How many of those had anything that may be used."""


class BuildInfo(_Part):
    """What the build knows and the rows do not tell."""

    preset: str = "paper"
    sources: tuple[SourceInfo, ...] = ()
    prompts: Mapping[str, str] = {}
    """Each prompt file of the build, and of serving, with its hash."""
    models: Mapping[str, str] = {}
    """Each role with the identity of the model that filled it."""
    consent: ConsentSnapshot | None = None
    """None where nothing came from the ledger."""
    drops: Mapping[str, Mapping[str, int]] = {}
    """What was left out, by stage and reason."""
    agreement: Mapping[str, Any] = {}
    """How far beliefs and the model's judgement of the traits agree, by trait."""
    shortened: int = 0
    """Prompts that lost memories, or turns, for want of room."""
    memories_left_out: int = 0
    """Recalled memories that they lost."""
    settings: Mapping[str, Any] = {}
    """The configuration of the build."""


class SplitReport(_Part):
    """How people were divided."""

    rule: SplitRule
    k: int | None = None
    silhouettes: Mapping[int, float] = {}
    held_out: Mapping[Trait, Level] = {}
    """The mode of the cluster that is held out."""
    people: Mapping[Split, int]


class FileInfo(_Part):
    """One file of rows."""

    rows: int
    sha256: str


class Manifest(_Part):
    """Everything there is to say about a data set."""

    id: str
    created_at: datetime
    build: BuildInfo
    split: SplitReport
    categories: Mapping[Category, int]
    files: Mapping[Split, FileInfo]

    @property
    def rows(self) -> int:
        """How many rows there are in all splits."""
        return sum(file.rows for file in self.files.values())

    @property
    def people(self) -> int:
        """How many people there are in all splits."""
        return sum(self.split.people.values())

    def text(self) -> str:
        """Return the content of the file; the same manifest gives the same bytes."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def sha256(self) -> str:
        """Return the hash of the file's content, by which ledger and policies know the data set."""
        return hashlib.sha256(self.text().encode()).hexdigest()


def read_manifest(dataset_dir: Path) -> Manifest:
    """Read a data set's manifest.

    Raises:
        DatasetError: it is missing or is not one.
    """
    path = dataset_dir / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DatasetError(
            f"{dataset_dir} is no data set: {path.name} cannot be read ({error.strerror}). "
            "Repair: name a directory that `attune-train data build` wrote"
        ) from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise DatasetError(
            f"{path} is not a manifest of this version: {place}: {first['msg']}. Repair: build the data set anew"
        ) from error


def file_sha256(path: Path) -> str:
    """Return the hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
