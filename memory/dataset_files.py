"""What data sets hold of a person on disk, and taking it out: answers that rest on their words, and forgotten rows.

Answers are deleted wherever the ledger was told that they are kept, where that is on this machine; asking again makes
them anew. The rows of a data set that holds forgotten ones are of no use, because training refuses it: below the data
directory they are deleted, all of them, and its card and manifest stay. Elsewhere they are the operator's.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from memory.errors import LedgerError
from memory.ledger.datasets import Traces
from memory.remnants import has_remnant

ANSWERS = "answers.sqlite"
"""The file of a build's directory that keeps them: a table `answers` with whose words each rests on."""
_BUSY_S = 30.0

log = logging.getLogger(__name__)


def clear(home: Path, traces: Sequence[Traces]) -> int:
    """Take out what is held of a person; return how many answers and files of rows went.

    Raises:
        LedgerError: a file cannot be written now; doing it again goes on.
    """
    gone = 0
    for one in traces:
        path = _answers(one)
        gone += 0 if path is None else _delete(path, one.alias)
        for rows in _rows(home, one):
            rows.unlink(missing_ok=True)
            gone += 1
    return gone


def remaining(home: Path, traces: Sequence[Traces]) -> int:
    """Look again and return how many answers and files of rows are there.

    Raises:
        LedgerError: a file cannot be read now.
    """
    found = 0
    for one in traces:
        path = _answers(one)
        found += 0 if path is None else _count(path, one.alias)
        found += len(list(_rows(home, one)))
    return found


def elsewhere(home: Path, traces: Sequence[Traces]) -> tuple[str, ...]:
    """Return the directories of data sets that hold forgotten rows and are left to the operator."""
    paths = {one.path for one in traces if one.path is not None and not _is_ours(home, Path(one.path))}
    return tuple(sorted(path for path in paths if Path(path).exists()))


def _answers(traces: Traces) -> Path | None:
    path = None if traces.work is None else Path(traces.work) / ANSWERS
    return path if path is not None and path.is_file() else None


def _delete(path: Path, owner: str) -> int:
    try:
        with closing(_open(path)) as connection:
            bodies = _bodies(connection, owner)
            connection.execute("PRAGMA secure_delete=ON")
            if bodies:
                connection.execute("DELETE FROM answers WHERE owner = ?", (owner,))
            _empty_log(connection, path)  # also of what a build deleted and left there
            if bodies and has_remnant(path, bodies):
                connection.execute("VACUUM")
                _empty_log(connection, path)
            return len(bodies)
    except sqlite3.OperationalError as error:
        raise _busy(path, error) from error
    except sqlite3.DatabaseError:
        log.warning("%s is damaged and is removed: its answers are asked for again", path)
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return 1


def _count(path: Path, owner: str) -> int:
    try:
        with closing(_open(path)) as connection:
            return len(_bodies(connection, owner))
    except sqlite3.DatabaseError as error:
        raise _busy(path, error) from error


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_S, isolation_level=None)


def _bodies(connection: sqlite3.Connection, owner: str) -> list[str]:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'answers'").fetchone() is None:
        return []
    return [row[0] for row in connection.execute("SELECT body FROM answers WHERE owner = ?", (owner,))]


def _empty_log(connection: sqlite3.Connection, path: Path) -> None:
    (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise LedgerError(f"{path} is being read: what was forgotten leaves it when that ends")


def _busy(path: Path, error: sqlite3.Error) -> LedgerError:
    return LedgerError(f"the answers in {path} cannot be forgotten now ({error}); it is tried again")


def _rows(home: Path, traces: Traces) -> Iterator[Path]:
    directory = None if traces.path is None else Path(traces.path)
    if directory is not None and _is_ours(home, directory) and _is_of(directory, traces.dataset_id):
        yield from sorted(directory.glob("*.parquet"))


def _is_ours(home: Path, directory: Path) -> bool:
    return directory.resolve().is_relative_to(home.resolve())


def _is_of(directory: Path, dataset_id: str) -> bool:
    """Say whether this is still that data set, and not another that was put in its place."""
    try:
        noted = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(noted, dict) and noted.get("id") == dataset_id
