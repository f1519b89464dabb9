import struct
from pathlib import Path

import numpy as np

from memory.embedded import Embedded
from memory.embedder import Vectors
from memory.ids import new_id
from memory.padding import Padding
from memory.store import Entry, Store
from tests.fakes.facts import fact

WRITTEN = 1000
"""After so many vectors Chroma writes them into files of their own."""


def vector_file(home: Path, vectors: int) -> Path:
    """A directory as Chroma writes one, with room for four vectors of eight bytes, all of it used for words."""
    (home / "index").mkdir()
    (home / "index" / "header.bin").write_bytes(struct.pack("<i4Q", 1, 0, 4, vectors, 8) + b"rest")
    (home / "index" / "length.bin").write_bytes(b"word" * 4)
    path = home / "index" / "data_level0.bin"
    path.write_bytes(b"whatwas!" * 4)
    return path


def test_room_without_vectors_is_cleared_and_vectors_stay(tmp_path: Path) -> None:
    path = vector_file(tmp_path, 2)
    Padding(tmp_path).clear(closed=True)
    assert path.read_bytes() == b"whatwas!" * 2 + bytes(16)
    assert (tmp_path / "index" / "length.bin").read_bytes() == b"word" * 2 + bytes(8)


def test_files_that_chroma_writes_vectors_into_are_left_alone_while_open(tmp_path: Path) -> None:
    path = vector_file(tmp_path, 2)
    Padding(tmp_path).clear(closed=False)
    assert path.read_bytes() == b"whatwas!" * 4


def test_files_without_any_vector_are_cleared_while_open(tmp_path: Path) -> None:
    path = vector_file(tmp_path, 0)
    Padding(tmp_path).clear(closed=False)
    assert path.read_bytes() == bytes(32)


def test_clearing_loses_no_vector_that_chroma_wrote(tmp_path: Path) -> None:
    person = new_id("per")
    facts = [fact(person, f"Owns book number {number}") for number in range(WRITTEN + 100)]
    vectors = np.random.default_rng(0).normal(size=(len(facts), 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    entries = [Entry.of(one, vector) for one, vector in zip(facts, vectors, strict=True)]
    place = Embedded(tmp_path)
    place.prepare()
    store = place.open(person)
    store.add(entries[:-1])
    before = found(store, vectors[7])
    store.close()
    [header] = tmp_path.rglob("header.bin")
    assert struct.unpack_from("<i4Q", header.read_bytes())[3] >= WRITTEN
    store = place.open(person)
    try:
        assert found(store, vectors[7]) == before
        assert before[0][0] == facts[7].id
        assert store.ids() == {one.id for one in facts[:-1]}
        store.add(entries[-1:])
        assert found(store, vectors[-1])[0][0] == facts[-1].id
    finally:
        store.close()


def found(store: Store, vector: Vectors) -> list[tuple[str, float]]:
    """What is near, and how near."""
    return [(one.fact_id, one.cosine) for one in store.near(vector, 5)]
