"""One person's facts as Mem0 and Chroma hold them: read, added, copied. Blocks; the index calls it in threads.

It is given an opened `mem0.Memory` and speaks to that; it imports neither.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memory.embedder import Vectors
from memory.foreign_lock import ForeignLock
from memory.padding import Padding
from memory.types import Fact

IDENTITY = "embedder.json"
DATABASE = "chroma.sqlite3"
_EMBEDDER = "embedder"
_AT_ONCE = 1_000
"""So many ids are asked for in one statement."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A fact near a vector; what it says stands in the ledger."""

    fact_id: str
    cosine: float
    vector: Vectors


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact that is to be added."""

    fact_id: str
    text: str
    vector: Vectors
    metadata: Mapping[str, str]

    @classmethod
    def of(cls, fact: Fact, vector: Vectors) -> Entry:
        """Return the entry of a fact with the vector of its text; dated as the fact is, not today."""
        created = fact.valid_from.isoformat()
        return cls(fact.id, fact.text, vector, {"fact_id": fact.id, "kind": str(fact.kind), "created_at": created})


@dataclass(frozen=True, slots=True)
class Rows:
    """What stands in a store, column by column, as Mem0 wrote it."""

    ids: Sequence[str]
    vectors: Sequence[Any]
    payloads: Sequence[Mapping[str, Any]]

    def __len__(self) -> int:
        return len(self.ids)

    def without(self, fact_ids: Collection[str]) -> Rows:
        """Return the rows of all other facts."""
        gone = set(fact_ids)
        stay = [at for at, id in enumerate(self.ids) if id not in gone]
        return Rows(
            [self.ids[at] for at in stay], [self.vectors[at] for at in stay], [self.payloads[at] for at in stay]
        )


class Store:
    """One person's opened Mem0; every method blocks."""

    def __init__(self, directory: Path, person_id: str, memory: Any, identity: Mapping[str, Any] | None) -> None:
        self._directory = directory
        self._person_id = person_id
        self._memory = memory
        self._collection = memory.vector_store.collection
        self._padding = Padding(directory)
        self._lock = ForeignLock(directory / DATABASE)
        self.identity = identity
        """What the vectors were made with; None before the first."""

    def close(self) -> None:
        """Release files and threads."""
        try:
            self._memory.close()
            self._memory.vector_store.client.close()
            self._padding.clear(closed=True)
        finally:
            self._lock.close()

    def note(self, identity: Mapping[str, Any]) -> None:
        """Write down what the vectors are made with."""
        (self._directory / IDENTITY).write_text(json.dumps(identity), encoding="utf-8")
        self.identity = identity

    def add(self, entries: Sequence[Entry]) -> None:
        """Add facts that are not there yet: Mem0 makes the rows, and all are written at once."""
        batch = _Batch()
        memory = copy.copy(self._memory)
        memory.vector_store = memory.db = batch
        memory.embedding_model = _Known({entry.text: entry.vector for entry in entries})
        for entry in entries:
            memory.add(entry.text, user_id=self._person_id, infer=False, metadata=dict(entry.metadata))
        self.write(Rows(batch.ids, batch.vectors, batch.payloads))

    def near(self, vector: Vectors, limit: int) -> list[Neighbour]:
        """Return the nearest facts; Chroma's distance is the squared one, which for unit vectors is 2 - 2 cos.

        No metadata is asked for: reading it takes several times as long as finding the facts.
        """
        self._lock.wait(writing=False)
        found = self._collection.query(query_embeddings=[vector], n_results=limit, include=["distances", "embeddings"])
        self._padding.clear(closed=False)
        vectors = np.asarray(found["embeddings"][0], dtype=np.float32)
        rows = zip(found["ids"][0], found["distances"][0], vectors, strict=True)
        return [Neighbour(fact_id, 1 - distance / 2, near) for fact_id, distance, near in rows]

    def is_empty(self) -> bool:
        """Say whether there is no fact here."""
        self._lock.wait(writing=False)
        return not self._collection.count()

    def ids(self) -> set[str]:
        """Return the ids of all facts."""
        self._lock.wait(writing=False)
        found = self._collection.get(include=[])["ids"]
        self._padding.clear(closed=False)
        return set(found)

    def texts(self, fact_ids: Sequence[str]) -> dict[str, str]:
        """Return the text of those of the facts that are here, by their id."""
        texts: dict[str, str] = {}
        for at in range(0, len(fact_ids), _AT_ONCE):
            self._lock.wait(writing=False)
            found = self._collection.get(ids=list(fact_ids[at : at + _AT_ONCE]), include=["metadatas"])
            texts.update({id: row["data"] for id, row in zip(found["ids"], found["metadatas"], strict=True)})
        self._padding.clear(closed=False)
        return texts

    def rows(self) -> Rows:
        """Return everything that is here."""
        self._lock.wait(writing=False)
        found = self._collection.get(include=["metadatas", "embeddings"])
        return Rows(found["ids"], found["embeddings"], found["metadatas"])

    def write(self, rows: Rows) -> None:
        """Write rows of Mem0's making, also those of another store."""
        step = self._memory.vector_store.client.get_max_batch_size()
        for at in range(0, len(rows), step):
            here = slice(at, at + step)
            self._lock.wait(writing=True)
            self._memory.vector_store.insert(rows.vectors[here], list(rows.payloads[here]), list(rows.ids[here]))
        self._memory.db.batch_add_history(
            [
                {
                    "memory_id": id,
                    "new_memory": payload["data"],
                    "event": "ADD",
                    "created_at": payload["created_at"],
                    "updated_at": payload["updated_at"],
                    "role": payload["role"],
                }
                for id, payload in zip(rows.ids, rows.payloads, strict=True)
            ]
        )
        self._padding.clear(closed=False)


class ServerStore(Store):
    """The same on a server, whose connection is shared: what the vectors were made with stands at the collection."""

    def __init__(self, directory: Path, person_id: str, memory: Any) -> None:
        noted = (memory.vector_store.collection.metadata or {}).get(_EMBEDDER)
        super().__init__(directory, person_id, memory, json.loads(noted) if noted else None)

    def close(self) -> None:
        """Release Mem0's own database."""
        self._memory.close()

    def note(self, identity: Mapping[str, Any]) -> None:
        """Write down what the vectors are made with."""
        self._collection.modify(metadata={_EMBEDDER: json.dumps(identity)})
        self.identity = identity

    def exchange(self, gone: Sequence[str], new: Sequence[Entry]) -> None:
        """Delete rows and add others; nothing else is touched, because other processes write here too."""
        step = self._memory.vector_store.client.get_max_batch_size()
        for at in range(0, len(gone), step):
            self._collection.delete(ids=list(gone[at : at + step]))
        if new:
            self.add(new)


class _Batch:
    """Collects what Mem0 would write one by one, at a wait for the disk each: the history can be told from the rows.

    A row has the id of its fact, not one of Mem0's making: who finds it knows the fact without reading the row.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.vectors: list[list[float]] = []
        self.payloads: list[dict[str, Any]] = []

    def insert(self, vectors: list[list[float]], payloads: list[dict[str, Any]], ids: list[str]) -> None:  # noqa: ARG002
        """Take rows, as Mem0's vector store."""
        self.vectors += vectors
        self.payloads += payloads
        self.ids += [payload["fact_id"] for payload in payloads]

    def add_history(self, *_fields: Any, **_more: Any) -> None:
        """Take a line of history, as Mem0's database."""


class _Known:
    """Gives Mem0 the vectors that our embedder made beforehand."""

    def __init__(self, vectors: Mapping[str, Vectors]) -> None:
        self._vectors = vectors

    def embed(self, text: str, _action: str | None = None) -> list[float]:
        """Return the vector of a text that is being added."""
        return [float(number) for number in self._vectors[text]]
