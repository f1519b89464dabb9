"""A Postgres of the test run's own: a cluster in a temporary directory, on a free loopback port, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEBIAN = Path("/usr/lib/postgresql")
_SETTINGS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"


def binaries() -> Path | None:
    """Return where initdb and pg_ctl are, the newest of several; None when Postgres is not installed."""
    found = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    named = shutil.which("initdb")
    return found[-1].parent if found else Path(named).parent if named else None


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the URL of a server on which databases may be created.

    Postgres refuses root, so as root it runs as the user `postgres` that Debian's package makes.
    """
    bin = binaries()
    assert bin is not None, "Postgres is not installed: apt-get install postgresql"
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    home = Path(tempfile.mkdtemp(prefix="attune-postgres-"))
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(home, "postgres")
    data, log = str(home / "data"), str(home / "log")
    try:
        _run(*user, str(bin / "initdb"), "-D", data, "-U", "attune", "-A", "trust", "-E", "UTF8", "--no-sync", "-N")
        options = f"-p {port} -k {home} -h 127.0.0.1 {_SETTINGS}"
        _run(*user, str(bin / "pg_ctl"), "-D", data, "-l", log, "-o", options, "-w", "-t", "60", "start")
        try:
            yield f"postgresql+asyncpg://attune@127.0.0.1:{port}/postgres"
        finally:
            _run(*user, str(bin / "pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _run(*command: str) -> None:
    # No pipes: the server inherits them, and reading to their end would wait for it.
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/", timeout=120)
        said.seek(0)
        assert done.returncode == 0, said.read()
