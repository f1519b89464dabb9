"""A real Chroma server on a free loopback port, gone afterwards."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

_START_S = 120.0


@contextmanager
def chroma_server(home: Path) -> Iterator[str]:
    """Yield the URL of a server that keeps its files in `home`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    binary = str(Path(sys.executable).with_name("chroma"))
    command = [binary, "run", "--path", str(home), "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _await(url, server)
        yield url
    finally:
        server.kill()
        server.wait()


def _await(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            if httpx.get(f"{url}/api/v2/heartbeat").is_success:
                return
        except httpx.TransportError:
            assert server.poll() is None and time.monotonic() < deadline, "chroma run does not come up"
        time.sleep(0.1)
