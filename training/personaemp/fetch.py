"""Public data sets brought onto this machine: pinned revisions, every file checked by its hash, resumed when cut short.

What is already there with the right hash is not fetched again, so files may also be copied here by hand and are then
only checked. It never takes a file whose content is not the pinned one. AlpsBench's task 1, whose dialogues and
memories lie in files of their own, is joined into `alpsbench.jsonl.gz`, which the build reads.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict

from memory.importing.lines import read_lines
from training.errors import TrainingError

JOINED = "alpsbench.jsonl.gz"

_CHUNK = 1 << 20
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


class FetchError(TrainingError):
    """A data set could not be brought here, or is not the pinned one; the message tells the repair."""


class RemoteFile(BaseModel):
    """One pinned file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    """Below the base address; its last part is the name of the local file, its folders are kept."""
    sha256: str
    bytes: int


class PublicSet(BaseModel):
    """One public data set at one revision."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str
    terms: str
    files: tuple[RemoteFile, ...]


@dataclass(frozen=True, slots=True)
class Fetched:
    """How far a file is."""

    path: Path
    done: int
    total: int


@cache
def public_sets() -> dict[str, PublicSet]:
    """Return the sets that can be fetched, by name."""
    pinned = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return {name: PublicSet.model_validate(values) for name, values in pinned.items()}


def fetch(
    wanted: PublicSet, out_dir: Path, *, base: str | None = None, show: Callable[[Fetched], None] = lambda _: None
) -> list[Path]:
    """Bring every file of a set into a directory and return where they are.

    Args:
        wanted: Which set.
        out_dir: Where to.
        base: A mirror's address in place of the set's own; the hashes stay the same.
        show: Told after every piece.

    Raises:
        FetchError: a file cannot be reached or written, or is not the pinned one.
    """
    address = (base or wanted.base).rstrip("/") + "/"
    with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
        return [_bring(client, address, file, out_dir, show) for file in wanted.files]


def _bring(
    client: httpx.Client, address: str, file: RemoteFile, out_dir: Path, show: Callable[[Fetched], None]
) -> Path:
    path = out_dir / file.path
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _is_pinned(path, file):
            if not _is_pinned(part, file):
                _download(client, address + file.path, file, part, lambda done: show(Fetched(path, done, file.bytes)))
            if not _is_pinned(part, file):
                part.unlink()
                raise FetchError(
                    f"{address}{file.path} is not the pinned file (SHA-256 {file.sha256[:12]}…). "
                    "Repair: try again; if it stays so, the address serves something else: use a mirror with --mirror"
                )
            part.replace(path)
        show(Fetched(path, file.bytes, file.bytes))
    except httpx.HTTPError as error:
        raise FetchError(
            f"cannot fetch {address}{file.path}: {error or type(error).__name__}. Repair: run this again where that "
            f"address can be reached (it goes on where it stopped), or copy the file to {path}, and it is only checked"
        ) from error
    except OSError as error:
        raise FetchError(
            f"cannot write {path}: {error.strerror}. Repair: choose another directory with --out"
        ) from error
    return path


def _download(client: httpx.Client, url: str, file: RemoteFile, part: Path, show: Callable[[int], None]) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have >= file.bytes:
        have = 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with client.stream("GET", url, headers={**headers, "Accept-Encoding": "identity"}) as answer:
        answer.raise_for_status()
        resumed = have and answer.status_code == httpx.codes.PARTIAL_CONTENT
        with part.open("ab" if resumed else "wb") as target:
            done = have if resumed else 0
            for chunk in answer.iter_bytes(_CHUNK):
                done += target.write(chunk)
                if done > file.bytes:
                    break
                show(done)


def _is_pinned(path: Path, file: RemoteFile) -> bool:
    if not path.exists() or path.stat().st_size != file.bytes:
        return False
    with path.open("rb") as read:
        return hashlib.file_digest(read, "sha256").hexdigest() == file.sha256


# ---------------------------------------------------------------- AlpsBench


def join_alpsbench(out_dir: Path) -> Path:
    """Join the fetched dialogues with their memories, by benchmark id, into the one file that the build reads.

    Raises:
        FetchError: the files do not fit each other.
        ImportFileError: one of them cannot be read.
    """
    target = out_dir / JOINED
    part = target.with_name(f"{target.name}.part")
    joined = 0
    with gzip.GzipFile(part, "wb", mtime=0) as file:
        for split in ("dev", "validation"):
            directory = out_dir / "benchmark_data" / split / "task1"
            for row in _joined(directory / "model_input.jsonl", directory / "reference_output.jsonl"):
                file.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
                joined += 1
    if joined == 0:
        part.unlink()
        raise FetchError(f"{out_dir} holds no dialogue with memories: the files have another form than expected")
    part.replace(target)
    return target


def _joined(inputs: Path, references: Path) -> Iterator[dict[str, Any]]:
    with closing(sqlite3.connect("", isolation_level=None)) as scratch:
        scratch.executescript("CREATE TABLE gold (id TEXT PRIMARY KEY, memories TEXT); BEGIN")
        for id, values in _objects(references):
            gold = values.get("gold")
            memories = gold.get("memory_items") if isinstance(gold, dict) else None
            scratch.execute("INSERT OR REPLACE INTO gold VALUES (?, ?)", (id, json.dumps(memories)))
        for id, values in _objects(inputs):
            found = scratch.execute("SELECT memories FROM gold WHERE id = ?", (id,)).fetchone()
            given = values.get("input")
            if found and isinstance(given, dict) and given.get("dialogue"):
                yield {"session_id": id, "dialogue": given["dialogue"], "memories": json.loads(found[0])}


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in read_lines(path):
        try:
            values = json.loads(line.text) if not line.problem else None
        except (ValueError, RecursionError):
            continue
        if isinstance(values, dict) and isinstance(values.get("benchmark_id"), str):
            yield values["benchmark_id"], values
