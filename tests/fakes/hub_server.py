"""A hub on this machine that holds one model: enough of its HTTP for huggingface_hub to list and to download it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SHA = "0" * 40


@contextmanager
def hub(model: str, files: Mapping[str, bytes], *, held: Mapping[str, threading.Event] | None = None) -> Iterator[str]:
    """Serve the files and yield the address; a file in `held` is sent once its event is set."""
    events = held or {}

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._file(head=True)

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path == f"/api/models/{model}/tree/{SHA}" or path == f"/api/models/{model}/tree/main":
                self._json([_entry(name, content) for name, content in files.items()])
            elif path in (f"/api/models/{model}", f"/api/models/{model}/revision/main"):
                sized = "blobs=" in query
                listed = [{"rfilename": name} | ({"size": len(files[name])} if sized else {}) for name in files]
                self._json({"id": model, "sha": SHA, "siblings": listed})
            else:
                self._file(head=False)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def _file(self, *, head: bool) -> None:
            name = self.path.split("?")[0].removeprefix(f"/{model}/resolve/{SHA}/")
            content = files.get(name)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{_digest(content)}"')
            self.send_header("X-Repo-Commit", SHA)
            self.end_headers()
            if head:
                return
            if name in events:
                events[name].wait()
            self.wfile.write(content)

        def _json(self, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            for event in events.values():
                event.set()
            server.shutdown()
            serving.join()


def _entry(name: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(content), "oid": _digest(content)}


def _digest(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
