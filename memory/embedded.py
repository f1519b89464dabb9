"""The index embedded in this process: one small Chroma directory per person.

Isolation is physical: erasing a person is removing a directory, and forgetting a fact is rewriting one, because Chroma
keeps deleted text in its files. One process at a time: see memory.lock.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from memory.ids import is_id
from memory.padding import cut_short
from memory.stock import COLLECTION, Stock, configuration, unavailable
from memory.store import DATABASE, IDENTITY, Entry, Rows, Store

_LOCKED_S = 1.0
"""How long a lock of another process is waited for."""


class DamagedError(Exception):
    """Files of a person's directory are not what they were."""


class Embedded:
    """The directories below `home / "index"`."""

    shared = False

    def __init__(self, home: Path) -> None:
        self._home = home / "index"
        self._stock = Stock(home)
        self.load = self._stock.load

    def prepare(self) -> None:
        """Make the directory, and end or undo rewrites that a crash interrupted.

        Raises:
            IndexUnavailableError: the directory cannot be written.
        """
        try:
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            for old in self._home.glob(".*.old"):
                new, directory = old.with_suffix(".new"), self._home / old.stem[1:]
                if new.exists() and not directory.exists():  # ended between the two renames of a rewrite
                    new.rename(directory)
                _remove(old)
            for new in self._home.glob(".*.new"):
                _remove(new)
        except OSError as error:
            raise unavailable(self._home, error) from error

    def close(self) -> None:
        """Do nothing: every store closes what is its own."""

    def where(self, person_id: str) -> str:
        """Return the directory of a person."""
        return str(self._home / person_id)

    def people(self) -> set[str]:
        """Return the ids of the people who have a directory."""
        return {path.name for path in self._home.iterdir() if is_id(path.name)}

    def exists(self, person_id: str) -> bool:
        """Say whether a person has a directory."""
        return (self._home / person_id).exists()

    def open(self, person_id: str) -> Store:
        """Open a person's directory, creating it when need be."""
        return self._open(self._home / person_id, person_id)

    def replace(
        self, person_id: str, identity: Mapping[str, Any] | None, kept: Rows | None, new: Sequence[Entry]
    ) -> None:
        """Put a new directory with what is kept and what is new in the place of the old; nothing else of it stays."""
        directory = self._home / person_id
        staged, old = directory.with_name(f".{person_id}.new"), directory.with_name(f".{person_id}.old")
        _remove(staged)
        _remove(old)
        if kept or new:
            store = self._open(staged, person_id)
            try:
                if kept:
                    store.write(kept)
                store.add(new)
                if identity:
                    store.note(identity)
            finally:
                store.close()
        if directory.exists():
            directory.rename(old)
        if staged.exists():
            staged.rename(directory)
        _remove(old)

    def remove(self, person_id: str) -> None:
        """Remove a person's directory."""
        _remove(self._home / person_id)

    def stock_config(self, person_id: str) -> dict[str, Any]:
        """Return the configuration of a stock Mem0 on a person's directory."""
        return _config(self._home / person_id)

    def _open(self, directory: Path, person_id: str) -> Store:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        damaged = cut_short(directory)
        if damaged is not None:
            raise DamagedError(f"{damaged.name} is cut short")
        _probe(directory / DATABASE)
        path = directory / IDENTITY
        identity = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        try:
            store = Store(directory, person_id, self._stock.memory(_config(directory)), identity)
        except BaseException:
            from chromadb.api.shared_system_client import SharedSystemClient

            # Chroma keeps what failed to open, and would hand it out again for a directory that is whole by then.
            SharedSystemClient._identifier_to_system.pop(str(directory), None)
            raise
        if identity is not None and store.is_empty():  # Chroma makes a lost database anew, and says nothing
            store.close()
            raise DamagedError("its database is gone")
        return store


def _probe(database: Path) -> None:
    """Fail where the database is locked: Chroma would wait for it with the whole process standing still."""
    if database.exists():
        with closing(sqlite3.connect(database, timeout=_LOCKED_S)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()


def _config(directory: Path) -> dict[str, Any]:
    return configuration({"collection_name": COLLECTION, "path": str(directory)}, str(directory / "history.db"))


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
