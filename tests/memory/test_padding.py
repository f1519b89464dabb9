import struct
from pathlib import Path

from memory.config import MemoryConfig
from memory.ids import new_id
from memory.index import Index
from memory.padding import Padding
from tests.fakes.embedding import shared_embedder
from tests.fakes.facts import fact


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


async def test_clearing_loses_no_vector_that_chroma_wrote(tmp_path: Path) -> None:
    person = new_id("per")
    facts = [fact(person, f"Owns book number {number}") for number in range(1500)]
    config = MemoryConfig(home=tmp_path)
    async with Index.open(config, shared_embedder()) as index:
        await index.add_many(facts)
        before = await index.search(person, facts[7].text, 5)
    async with Index.open(config, shared_embedder()) as index:
        assert await index.search(person, facts[7].text, 5) == before
        assert before[0][0] == facts[7].id
        assert await index.ids(person) == {one.id for one in facts}
