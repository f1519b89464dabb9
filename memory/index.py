"""Mem0 over Chroma, one collection per person: finds the facts that are near a text.

The index holds nothing that the ledger does not: it may be dropped and rebuilt at any time. Where it lies is its place:
directories of this process (memory.embedded), or a Chroma server that several processes share (memory.chroma_server).
A stock `mem0.Memory` on `stock_config` finds the same facts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

from memory.chroma_server import ChromaServer
from memory.config import MemoryConfig
from memory.embedded import Embedded
from memory.embedder import Embedder, Vectors
from memory.errors import EmbedderError
from memory.ids import is_id
from memory.shelf import Shelf, Slot
from memory.stock import REPAIR, guarded
from memory.store import Entry, Neighbour, Rows, ServerStore, Store
from memory.types import Fact

T = TypeVar("T")

_ROWS = "by fact id"
"""How the rows are named."""


class Place(Protocol):
    """Where the facts of each person lie; everything but `shared` may block."""

    shared: bool
    """Whether other processes write there too, so that nothing of it is kept open."""

    def prepare(self) -> None:
        """Make good what a crash left."""
        ...

    def load(self) -> None:
        """Import Mem0 and Chroma."""
        ...

    def close(self) -> None:
        """Release what is open beside the stores."""
        ...

    def where(self, person_id: str) -> str:
        """Say for messages where a person's facts lie."""
        ...

    def people(self) -> set[str]:
        """Return the ids of the people who have anything there."""
        ...

    def exists(self, person_id: str) -> bool:
        """Say whether a person has anything there."""
        ...

    def open(self, person_id: str) -> Store:
        """Open a person's facts, creating the place when need be."""
        ...

    def replace(
        self, person_id: str, identity: Mapping[str, Any] | None, kept: Rows | None, new: Sequence[Entry]
    ) -> None:
        """Put what is kept and what is new in the place of what is there."""
        ...

    def remove(self, person_id: str) -> None:
        """Remove everything of a person."""
        ...

    def stock_config(self, person_id: str) -> dict[str, Any]:
        """Return the configuration of a stock Mem0 on a person's facts."""
        ...


class Index:
    """The facts of every person, findable by meaning."""

    def __init__(self, place: Place, embedder: Embedder, max_open: int) -> None:
        self._place = place
        self._embedder = embedder
        self._shelf: Shelf[Store] = Shelf(self._open_store, Store.close, max_open)

    @classmethod
    @asynccontextmanager
    async def open(cls, config: MemoryConfig, embedder: Embedder) -> AsyncIterator[Index]:
        """Open the index where the configuration says, and close what it opened on leaving.

        Raises:
            IndexUnavailableError: the directory cannot be written; a server that is down is said by the first use.
        """
        place: Place = ChromaServer(config.home, config.index) if config.index.chroma_url else Embedded(config.home)
        index = cls(place, embedder, config.max_open_indexes)
        await asyncio.to_thread(place.prepare)
        # Importing Mem0 takes seconds: not while the first message waits for it.
        warming = asyncio.create_task(asyncio.to_thread(place.load))
        try:
            yield index
        finally:
            await asyncio.gather(warming, return_exceptions=True)  # what failed is said by the first use
            await index._shelf.aclose()
            await asyncio.to_thread(place.close)

    @property
    def own(self) -> bool:
        """Whether it lies in files of this process, which may be made anew when they are damaged."""
        return not self._place.shared

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
            return set() if store is None else await self._blocking(person_id, store.ids)

        return await self._use(person_id, work)

    async def people(self) -> set[str]:
        """Return the ids of the people who have anything here."""
        return await asyncio.to_thread(guarded, "the index", self._place.people)

    async def forget(self, person_id: str, fact_ids: Sequence[str]) -> None:
        """Remove facts; embedded, every byte of them: what stays is written into a new directory.

        Raises:
            IndexUnavailableError: the index cannot be read or written.
        """

        async def work(slot: Slot[Store]) -> None:
            store = await self._existing(person_id, slot)
            if store is not None:
                await self._take_out(person_id, slot, store, fact_ids)

        await self._use(person_id, work)

    async def forget_person(self, person_id: str) -> None:
        """Remove everything of a person.

        Raises:
            IndexUnavailableError: it cannot be removed.
        """

        async def work(slot: Slot[Store]) -> None:
            await slot.close()
            await self._blocking(person_id, partial(self._place.remove, person_id))

        await self._use(person_id, work)

    async def rebuild(self, person_id: str, facts: Sequence[Fact]) -> None:
        """Drop what is there, damaged or not, and put in these facts, with the present embedding model.

        Raises:
            EmbedderError: the embedding model failed.
            IndexUnavailableError: the index cannot be written.
        """
        await self._use(person_id, partial(self._replace, person_id, facts))

    async def rebuild_from(self, person_id: str, read: Callable[[], Awaitable[Sequence[Fact]]]) -> None:
        """Rebuild with what `read` returns, so that nothing forgotten or learned meanwhile is put back or left out.

        In this process nobody else is at this person's facts until it is done. On a server other processes may be:
        there the facts are read again once they are written, until what stands there is what was read.

        Raises:
            EmbedderError: the embedding model failed.
            IndexUnavailableError: the index cannot be written.
        """

        async def work(slot: Slot[Store]) -> None:
            await self._replace(person_id, await read(), slot)
            while self._place.shared and not await self._agrees(person_id, read, slot):
                pass

        await self._use(person_id, work)

    def stock_config(self, person_id: str) -> dict[str, Any]:
        """Return the configuration with which `mem0.Memory.from_config` opens this person's facts.

        Embedded, only while no other process has them open.

        Raises:
            EmbedderError: the embedding model is not on this machine.
        """
        embedder = {"provider": "huggingface", "config": {"model": str(self._embedder.directory)}}
        return {**self._place.stock_config(_checked(person_id)), "embedder": embedder}

    @property
    def _identity(self) -> dict[str, Any]:
        """What rows are made with; rows of another making cannot be read beside them."""
        return {**self._embedder.identity.as_dict(), "rows": _ROWS}

    async def _use(self, person_id: str, work: Callable[[Slot[Store]], Awaitable[T]]) -> T:
        async def used(slot: Slot[Store]) -> T:
            try:
                return await work(slot)
            finally:
                if self._place.shared:  # another process may have put a new collection in its place
                    await slot.close()

        return await self._shelf.use(_checked(person_id), used)

    async def _existing(self, person_id: str, slot: Slot[Store]) -> Store | None:
        """Open a person's facts if there are any: somebody unknown has none, and gets no place."""
        if slot.thing:
            return slot.thing
        present: bool = await self._blocking(person_id, partial(self._place.exists, person_id))
        return await slot.open() if present else None

    def _open_store(self, person_id: str) -> Store:
        return guarded(self._place.where(person_id), lambda: self._place.open(person_id))

    async def _blocking(self, person_id: str, call: Callable[[], T]) -> T:
        return await asyncio.to_thread(guarded, self._place.where(person_id), call)

    async def _add(self, person_id: str, entries: Sequence[Entry], slot: Slot[Store]) -> None:
        store = await slot.open()
        self._check_identity(person_id, store)
        present = await self._blocking(person_id, partial(store.texts, [entry.fact_id for entry in entries]))
        new = {entry.fact_id: entry for entry in entries if present.get(entry.fact_id) != entry.text}
        if new.keys() & present.keys():
            await self._take_out(person_id, slot, store, list(new), list(new.values()))
        elif new:
            await self._blocking(person_id, partial(store.add, list(new.values())))

    async def _take_out(
        self, person_id: str, slot: Slot[Store], store: Store, fact_ids: Sequence[str], new: Sequence[Entry] = ()
    ) -> None:
        """Write what stays, and what is new, in the place of what is there."""
        if isinstance(store, ServerStore):
            return await self._blocking(person_id, partial(store.exchange, fact_ids, new))
        rows = await self._blocking(person_id, store.rows)
        kept = rows.without(fact_ids)
        if new or len(kept) < len(rows):
            await slot.close()
            await self._blocking(person_id, partial(self._place.replace, person_id, store.identity, kept, new))

    async def _replace(self, person_id: str, facts: Sequence[Fact], slot: Slot[Store]) -> None:
        entries = await self._entries(facts)
        await slot.close()
        if not entries:  # somebody without facts gets no place
            return await self._blocking(person_id, partial(self._place.remove, person_id))
        return await self._blocking(person_id, partial(self._place.replace, person_id, self._identity, None, entries))

    async def _agrees(self, person_id: str, read: Callable[[], Awaitable[Sequence[Fact]]], slot: Slot[Store]) -> bool:
        """Say whether a place that others write to holds what `read` returns; if not, make it so."""
        await slot.close()  # another process may have put a new collection in its place
        store = await self._existing(person_id, slot)
        present = set() if store is None else await self._blocking(person_id, store.ids)
        facts = {fact.id: fact for fact in await read()}  # after the ids: what is gone from here is gone for good
        gone, missing = present - facts.keys(), facts.keys() - present
        if store is not None and gone:
            await self._take_out(person_id, slot, store, sorted(gone))
        if missing:
            await self._add(person_id, await self._entries([facts[id] for id in missing]), slot)
        return not gone and not missing

    async def _entries(self, facts: Sequence[Fact]) -> list[Entry]:
        vectors = await self._embedder.embed([fact.text for fact in facts])
        return [Entry.of(fact, vector) for fact, vector in zip(facts, vectors, strict=True)]

    def _check_identity(self, person_id: str, store: Store) -> None:
        present = self._identity
        if store.identity is None:
            guarded(self._place.where(person_id), lambda: store.note(present))
        elif store.identity != present:
            raise EmbedderError(
                f"the index in {self._place.where(person_id)} was built with {store.identity}, and the embedding model "
                f"and the form of the rows are now {present}. {REPAIR}"
            )


def _checked(person_id: str) -> str:
    if not is_id(person_id):
        raise ValueError(f"not an id of a person of ours: {person_id!r}")
    return person_id
