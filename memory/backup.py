"""Copies of the ledger that can be restored: made while it is in use, checked, and whole or not at all.

A copy is one SQLite file. The index is not in it, because it is rebuilt from the ledger. What is forgotten afterwards
stays in copies made before: keep them for as long as you may. A ledger on Postgres is copied with Postgres's own tools.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from memory.errors import LedgerError
from memory.lock import DataDirectoryLock

LEDGER = "attune.db"
_DERIVED = ("index", "exports")


def back_up(home: Path, file: Path) -> int:
    """Copy the ledger below `home` to a new file and check it; return its size. A running backend may go on.

    Raises:
        LedgerError: there is no ledger, the file is there already, or the copy is not whole.
    """
    source = home / LEDGER
    if not source.is_file():
        raise LedgerError(f"no ledger at {source}: of Postgres make a copy with pg_dump")
    if file.exists():
        raise LedgerError(f"{file} is there already: name another file")
    draft = file.with_name(f".{file.name}.part")
    try:
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
        with closing(_reading(source)) as ledger, closing(sqlite3.connect(draft)) as copy:
            ledger.backup(copy, pages=1024)
            copy.execute("PRAGMA journal_mode=DELETE")
        _check(draft)
        draft.replace(file)
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(f"cannot copy {source} to {file}: {error}") from error
    finally:
        draft.unlink(missing_ok=True)
    return file.stat().st_size


def restore(home: Path, file: Path) -> None:
    """Put a checked copy in the place of the ledger below `home`, which must hold none; the index is built afterwards.

    Raises:
        LedgerError: the copy is damaged, or there is a ledger already.
        DataDirectoryLockedError: a backend runs there.
    """
    if not file.is_file():
        raise LedgerError(f"no file {file}")
    _check(file)
    with DataDirectoryLock(home):
        present = [name for name in (LEDGER, *_DERIVED) if (home / name).exists()]
        if present:
            raise LedgerError(f"{home} holds {', '.join(present)}: move that away first, or set ATTUNE_HOME")
        draft = home / f".{LEDGER}.part"
        try:
            os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
            with closing(_reading(file)) as copy, closing(sqlite3.connect(draft)) as ledger:
                copy.backup(ledger)
            _check(draft)
            draft.replace(home / LEDGER)
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"cannot restore {file} to {home}: {error}") from error
        finally:
            draft.unlink(missing_ok=True)


def _check(file: Path) -> None:
    try:
        with closing(_reading(file)) as copy:
            (said,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
            broken = copy.execute("PRAGMA foreign_key_check").fetchone()
            copy.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise LedgerError(f"{file} is no whole copy of a ledger: {error}") from error
    if said != "ok" or broken is not None:
        raise LedgerError(f"{file} is damaged: {said}")


def _reading(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
