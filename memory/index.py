"""Mem0 over Chroma, one small directory per person: finds the facts that are near a text.

The index holds nothing that the ledger does not: it may be dropped and rebuilt at any time. Isolation is physical, so
erasing a person is removing a directory, and forgetting a fact is rewriting one (Chroma keeps deleted text in its
files). A stock `mem0.Memory` on `stock_config` finds the same facts. This is the only file that imports mem0 or
chromadb, and it does so on first use. One process at a time: see memory.lock.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import json
import logging
import os
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from memory.config import MemoryConfig
from memory.embedder import Embedder, Vectors
from memory.errors import EmbedderError, IndexUnavailableError
from memory.ids import is_id
from memory.shelf import Shelf, Slot
from memory.store import IDENTITY, Entry, Neighbour, Rows, Store
from memory.types import Fact

T = TypeVar("T")

COLLECTION = "facts"
_REPAIR = "Repair: attune doctor --rebuild-index"
_MEM0_MODULES = ("mem0", "mem0.vector_stores.chroma", "mem0.llms.vllm", "mem0.embeddings.openai")
_NO_SERVER = "http://127.0.0.1:9/v1"
"""Mem0 builds a language-model client at once; this one is never called, and could not reach anything."""


class Index:
    """The facts of every person, findable by meaning."""

    def __init__(self, home: Path, embedder: Embedder, max_open: int) -> None:
        self._home = home / "index"
        self._embedder = embedder
        self._mem0 = _Mem0(home)
        self._shelf: Shelf[Store] = Shelf(self._open_store, Store.close, max_open)

    @classmethod
    @asynccontextmanager
    async def open(cls, config: MemoryConfig, embedder: Embedder) -> AsyncIterator[Index]:
        """Open the index below `config.home`, and close what it opened on leaving.

        Raises:
            IndexUnavailableError: the directory cannot be written.
        """
        index = cls(config.home, embedder, config.max_open_indexes)
        await asyncio.to_thread(index._prepare)
        # Importing Mem0 takes seconds: not while the first message waits for it.
        warming = asyncio.create_task(asyncio.to_thread(index._mem0.load))
        try:
            yield index
        finally:
            await asyncio.gather(warming, return_exceptions=True)  # what failed is said by the first use
            await index._shelf.aclose()

    @property
    def embedder(self) -> Embedder:
        """What turns text into vectors here."""
        return self._embedder

    async def add(self, fact: Fact) -> None:
        """Make a fact findable; a fact that is there already is left, or replaced where its text has changed."""
        await self.add_many([fact])

    async def add_many(self, facts: Sequence[Fact]) -> None:
        """Make facts, also of several people, findable.

        Raises:
            EmbedderError: the embedding model failed, or is not the one this index was built with.
            IndexUnavailableError: the index cannot be written.
        """
        vectors = await self._embedder.embed([fact.text for fact in facts])
        theirs: dict[str, list[Entry]] = {}
        for fact, vector in zip(facts, vectors, strict=True):
            theirs.setdefault(fact.person_id, []).append(Entry.of(fact, vector))
        for person_id, entries in theirs.items():
            await self._use(person_id, partial(self._add, person_id, entries))

    async def search(
        self, person_id: str, query: str, limit: int, *, vector: Vectors | None = None
    ) -> list[tuple[str, float]]:
        """Return the ids of the facts nearest to `query`, or to its `vector`, with their cosine; best first."""
        vector = (await self._embedder.embed([query]))[0] if vector is None else vector
        return [(found.fact_id, found.cosine) for found in await self.near(person_id, vector, limit)]

    async def near(self, person_id: str, vector: Vectors, limit: int) -> list[Neighbour]:
        """Return the facts nearest to a unit vector, best first.

        Raises:
            EmbedderError: the embedding model is not the one this index was built with.
            IndexUnavailableError: the index cannot be read.
        """

        async def work(slot: Slot[Store]) -> list[Neighbour]:
            store = await self._existing(person_id, slot)
            if store is None:
                return []
            self._check_identity(person_id, store)
            return await self._blocking(person_id, partial(store.near, vector, limit))

        return await self._use(person_id, work)

    async def ids(self, person_id: str) -> set[str]:
        """Return the ids of all facts of a person that are here.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """

        async def work(slot: Slot[Store]) -> set[str]:
            store = await self._existing(person_id, slot)
            return set() if store is None else set(await self._blocking(person_id, store.texts))

        return await self._use(person_id, work)

    async def people(self) -> set[str]:
        """Return the ids of the people who have anything here."""
        return {path.name for path in await asyncio.to_thread(lambda: list(self._home.iterdir())) if is_id(path.name)}

    async def forget(self, person_id: str, fact_ids: Sequence[str]) -> None:
        """Remove facts, and every byte of them: what stays is written into a new directory.

        Raises:
            IndexUnavailableError: the index cannot be read or written.
        """

        async def work(slot: Slot[Store]) -> None:
            store = await self._existing(person_id, slot)
            if store is not None:
                rows = await self._blocking(person_id, store.rows)
                kept = rows.without(fact_ids)
                if len(kept) < len(rows):
                    await self._rewrite(person_id, slot, store.identity, kept)

        await self._use(person_id, work)

    async def forget_person(self, person_id: str) -> None:
        """Remove everything of a person.

        Raises:
            IndexUnavailableError: the directory cannot be removed.
        """

        async def work(slot: Slot[Store]) -> None:
            await slot.close()
            await self._blocking(person_id, partial(_remove, self._directory(person_id)))

        await self._use(person_id, work)

    async def rebuild(self, person_id: str, facts: Sequence[Fact]) -> None:
        """Drop what is there, damaged or not, and put in these facts, with the present embedding model.

        Raises:
            EmbedderError: the embedding model failed.
            IndexUnavailableError: the index cannot be written.
        """
        vectors = await self._embedder.embed([fact.text for fact in facts])
        entries = [Entry.of(fact, vector) for fact, vector in zip(facts, vectors, strict=True)]
        identity = self._embedder.identity.as_dict()
        await self._use(person_id, lambda slot: self._rewrite(person_id, slot, identity, None, entries))

    def stock_config(self, person_id: str) -> dict[str, Any]:
        """Return the configuration with which `mem0.Memory.from_config` opens this person's facts.

        Only while no other process has them open.

        Raises:
            EmbedderError: the embedding model is not on this machine.
        """
        embedder = {"provider": "huggingface", "config": {"model": str(self._embedder.directory)}}
        return {**_config(self._directory(person_id)), "embedder": embedder}

    def _prepare(self) -> None:
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
            raise _unavailable(self._home, error) from error

    def _directory(self, person_id: str) -> Path:
        if not is_id(person_id):
            raise ValueError(f"not an id of a person of ours: {person_id!r}")
        return self._home / person_id

    async def _use(self, person_id: str, work: Callable[[Slot[Store]], Awaitable[T]]) -> T:
        self._directory(person_id)
        return await self._shelf.use(person_id, work)

    async def _existing(self, person_id: str, slot: Slot[Store]) -> Store | None:
        """Open a person's facts if there are any: somebody unknown has none, and gets no directory."""
        return await slot.open() if slot.thing or self._directory(person_id).exists() else None

    def _open_store(self, person_id: str) -> Store:
        directory = self._directory(person_id)
        return _guarded(directory, lambda: self._mem0.open(directory, person_id))

    async def _blocking(self, person_id: str, call: Callable[[], T]) -> T:
        return await asyncio.to_thread(_guarded, self._directory(person_id), call)

    async def _add(self, person_id: str, entries: Sequence[Entry], slot: Slot[Store]) -> None:
        store = await slot.open()
        self._check_identity(person_id, store)
        present = await self._blocking(person_id, store.texts)
        new = {entry.fact_id: entry for entry in entries if present.get(entry.fact_id) != entry.text}
        if new.keys() & present.keys():
            kept = (await self._blocking(person_id, store.rows)).without(new)
            await self._rewrite(person_id, slot, store.identity, kept, list(new.values()))
        elif new:
            await self._blocking(person_id, partial(store.add, list(new.values())))

    async def _rewrite(
        self,
        person_id: str,
        slot: Slot[Store],
        identity: Mapping[str, Any] | None,
        kept: Rows | None,
        new: Sequence[Entry] = (),
    ) -> None:
        """Put a new directory with what is kept and what is new in the place of the old; nothing else of it stays."""
        directory = self._directory(person_id)
        staged, old = directory.with_name(f".{person_id}.new"), directory.with_name(f".{person_id}.old")

        def write() -> None:
            _remove(staged)
            _remove(old)
            if kept or new:
                store = self._mem0.open(staged, person_id)
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

        await slot.close()
        await self._blocking(person_id, write)

    def _check_identity(self, person_id: str, store: Store) -> None:
        present = self._embedder.identity.as_dict()
        if store.identity is None:
            _guarded(self._directory(person_id), lambda: store.note(present))
        elif store.identity != present:
            raise EmbedderError(
                f"the index in {self._directory(person_id)} was built with {store.identity}, and the embedding model "
                f"is {present}. {_REPAIR}"
            )


class _Mem0:
    """Opens Mem0 on a directory. Its language-model client costs 20 ms and is never used, so it is made once."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._first: Any = None

    def open(self, directory: Path, person_id: str) -> Store:
        """Open a person's directory, creating it when need be; blocks, the first time for seconds of imports."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / IDENTITY
        identity = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        try:
            return Store(directory, person_id, self._memory(directory), identity)
        except BaseException:
            from chromadb.api.shared_system_client import SharedSystemClient

            # Chroma keeps what failed to open, and would hand it out again for a directory that is whole by then.
            SharedSystemClient._identifier_to_system.pop(str(directory), None)
            raise

    def load(self) -> None:
        """Import Mem0 and Chroma; blocks."""
        with self._lock:
            # Mem0 reads these when it is imported.
            os.environ["MEM0_TELEMETRY"] = "False"
            os.environ["MEM0_DIR"] = str(self._home / "mem0")
            logging.getLogger("mem0").setLevel(logging.CRITICAL)  # it logs people's words
            for module in _MEM0_MODULES:
                importlib.import_module(module)

    def _memory(self, directory: Path) -> Any:
        self.load()
        from mem0 import Memory
        from mem0.configs.base import MemoryConfig as Mem0Config
        from mem0.memory.storage import SQLiteManager
        from mem0.vector_stores.chroma import ChromaDB

        config = Mem0Config(**_config(directory))
        with self._lock:
            if self._first is None:
                self._first = Memory(config)
                return self._first
        memory = copy.copy(self._first)
        memory.config = config
        memory.vector_store = ChromaDB(**config.vector_store.config.model_dump())
        memory.db = SQLiteManager(config.history_db_path)
        return memory


def _config(directory: Path) -> dict[str, Any]:
    """Mem0's configuration of one person, with an embedder and a language model that do nothing."""
    return {
        "vector_store": {"provider": "chroma", "config": {"collection_name": COLLECTION, "path": str(directory)}},
        "history_db_path": str(directory / "history.db"),
        "llm": {"provider": "vllm", "config": {"model": "none", "api_key": "none", "vllm_base_url": _NO_SERVER}},
        "embedder": {
            "provider": "openai",
            "config": {"model": "none", "api_key": "none", "openai_base_url": _NO_SERVER},
        },
    }


def _guarded(directory: Path, call: Callable[[], T]) -> T:
    """Call, and say where and what to do when Mem0, Chroma or the file system fails."""
    try:
        return call()
    except Exception as error:
        raise _unavailable(directory, error) from error
    except BaseException as error:
        # Chroma's Rust core panics with a BaseException of its own on some damaged files.
        if type(error).__name__ == "PanicException":
            raise _unavailable(directory, error) from error
        raise


def _unavailable(directory: Path, error: BaseException) -> IndexUnavailableError:
    return IndexUnavailableError(f"the index in {directory} cannot be used: {error}. {_REPAIR}")


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
