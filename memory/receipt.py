"""What forgetting did or would do: how much, where, when, what was found afterwards, and what nobody can prove."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from memory.ledger.going import Going, Target

UNPROVABLE = (
    "backups and copies that were made of the data directory before",
    "snapshots of the file system, and what a disk keeps of blocks that were overwritten",
    "exports that were downloaded, copies of data sets, and whatever a model server outside this installation keeps",
    "the files of a remote Chroma or Postgres server, which overwrite deleted rows in their own time",
    "words of other messages that say the same",
)
OTHER_MACHINES = (
    "files that a broken import left in the data directory of another backend, until that starts again",
    "answers that a build of a data set keeps on another machine, until it is built again",
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was forgotten, or would be with `dry_run`."""

    person_id: str
    target: Target
    going: Going
    at: datetime
    dry_run: bool = False
    job_id: str | None = None
    files: int = 0
    """Files that a broken import had left, removed."""
    exports: int = 0
    """Exports of the person, deleted whatever was forgotten, because each holds everything."""
    dataset_files: int = 0
    """Answers that were kept for building data sets, and files of rows that training refuses, deleted."""
    index_rebuilt: bool = False
    """Whether the index was damaged and had to be built again from what remains."""
    ledger_rewritten: bool = False
    """Whether the ledger's file held stray copies of deleted rows and was written anew."""
    verified: bool = False
    """Whether every place was read again afterwards."""
    remaining: int = 0
    """How much of it was still found then, in the ledger, the index and the data directory."""
    unprovable: tuple[str, ...] = UNPROVABLE

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {**asdict(self), "at": self.at.isoformat()}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Receipt:
        """Read what `as_dict` wrote."""
        target, more = told["target"], {"unprovable": tuple(told["unprovable"])}
        return cls(
            **{
                **told,
                **more,
                "target": Target(target["scope"], tuple(target["ids"])),
                "going": Going.of(told["going"]),
                "at": datetime.fromisoformat(told["at"]),
            }
        )
