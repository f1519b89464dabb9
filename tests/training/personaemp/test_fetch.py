import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from training.personaemp.fetch import (
    Fetched,
    FetchError,
    PublicSet,
    RemoteFile,
    fetch,
    join_alpsbench,
    public_sets,
)
from training.personaemp.record import Record
from training.personaemp.sources.alpsbench import read_alpsbench

CONTENT = b"".join(b"line %d\n" % number for number in range(300_000))


@dataclass
class Files:
    """A file server on loopback that understands ranges, and cuts a connection when told to."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    cut_after: int | None = None
    url: str = ""


@pytest.fixture
def server() -> Iterator[Files]:
    files = Files()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            files.asked.append((self.path, wanted))
            content = files.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            cut = files.cut_after
            self.wfile.write(content[start:][:cut] if cut is not None else content[start:])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        files.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield files
        http.shutdown()
        thread.join()


def pinned(content: bytes = CONTENT, path: str = "data/EA.jsonl", base: str = "http://127.0.0.1:9/") -> PublicSet:
    file = RemoteFile(path=path, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    return PublicSet(base=base, terms="MIT", files=(file,))


def test_what_is_pinned_is_well_formed() -> None:
    assert set(public_sets()) == {"alpsbench", "emobench", "eqbench3"}
    for wanted in public_sets().values():
        assert (
            wanted.base.startswith("https://") and wanted.base.endswith("/") and len(wanted.base.split("/")[-2]) == 40
        )
        assert all(len(bytes.fromhex(file.sha256)) == 32 and file.bytes > 0 for file in wanted.files)


def test_a_file_is_fetched_once_and_only_checked_afterwards(server: Files, tmp_path: Path) -> None:
    server.files["/data/EA.jsonl"] = CONTENT
    seen: list[Fetched] = []
    (path,) = fetch(pinned(), tmp_path, base=server.url, show=seen.append)
    assert path == tmp_path / "data" / "EA.jsonl" and path.read_bytes() == CONTENT
    assert [one.done for one in seen] == sorted(one.done for one in seen) and seen[-1].done == len(CONTENT)
    assert fetch(pinned(), tmp_path, base=server.url) == [path]
    assert len(server.asked) == 1
    assert [one.name for one in path.parent.iterdir()] == ["EA.jsonl"]


def test_what_was_cut_short_goes_on_where_it_stopped(server: Files, tmp_path: Path) -> None:
    server.files["/data/EA.jsonl"] = CONTENT
    server.cut_after = 2_000_000
    with pytest.raises(FetchError, match="goes on where it stopped"):
        fetch(pinned(), tmp_path, base=server.url)
    have = (tmp_path / "data" / "EA.jsonl.part").stat().st_size
    assert 0 < have <= 2_000_000
    server.cut_after = None
    (path,) = fetch(pinned(), tmp_path, base=server.url)
    assert path.read_bytes() == CONTENT
    assert server.asked[-1] == ("/data/EA.jsonl", f"bytes={have}-")


def test_another_content_is_refused_and_leaves_nothing(server: Files, tmp_path: Path) -> None:
    for served in (CONTENT[:-1] + b"!", CONTENT + b"more", CONTENT[:10]):
        server.files["/data/EA.jsonl"] = served
        with pytest.raises(FetchError, match="is not the pinned file"):
            fetch(pinned(), tmp_path, base=server.url)
        assert list((tmp_path / "data").iterdir()) == []


def test_an_address_that_cannot_be_reached_is_said_with_the_repair(server: Files, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="404"):
        fetch(pinned(), tmp_path, base=server.url)
    with pytest.raises(FetchError, match=r"copy the file to .*EA\.jsonl"):
        fetch(pinned(), tmp_path)


def test_a_file_copied_by_hand_is_only_checked(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "EA.jsonl").write_bytes(CONTENT)
    assert fetch(pinned(), tmp_path) == [tmp_path / "data" / "EA.jsonl"]


def test_a_directory_that_cannot_be_written_is_said(server: Files, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FetchError, match="cannot write"):
        fetch(pinned(), tmp_path / "file", base=server.url)


def test_alpsbench_is_joined_into_what_the_build_reads(tmp_path: Path) -> None:
    for split in ("dev", "validation"):
        directory = tmp_path / "benchmark_data" / split / "task1"
        directory.mkdir(parents=True)
        rows = [
            {"benchmark_id": f"{split}{n}", "input": {"dialogue": [{"role": "user", "text": f"I keep bees {n}"}]}}
            for n in (1, 2)
        ]
        (directory / "model_input.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n{\n")
        gold = {"benchmark_id": f"{split}1", "gold": {"memory_items": [{"memory_id": "m1", "value": "Keeps bees"}]}}
        (directory / "reference_output.jsonl").write_text(json.dumps(gold) + "\n")
    joined = join_alpsbench(tmp_path)
    records = [item for item in read_alpsbench(joined) if isinstance(item, Record)]
    assert [[memory.text for memory in record.memories] for record in records] == [["Keeps bees"]] * 2
    assert gzip.decompress(joined.read_bytes()).count(b"\n") == 2
    for path in tmp_path.rglob("reference_output.jsonl"):
        path.write_text("")
    with pytest.raises(FetchError, match="another form"):
        join_alpsbench(tmp_path)
