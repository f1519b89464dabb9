"""Finding the backend, starting it where there is none, and stopping one that we started.

A backend that was found, or named by address, is never stopped. One that we started runs in its own session, so that a
closed terminal does not take it down before it has finished what it was told.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tui.door import is_loopback, open_client
from tui.errors import BackendError, ClientError

SERVE = (sys.executable, "-m", "assistant.cli", "serve", "--port", "0")
START_S = 120.0
"""A backend that does not answer so long after its start is given up."""
STOP_S = 30.0
"""A backend that we started gets so long to finish what it was told."""
LOG_LINES = 6
POLL_S = 0.1

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Launch:
    """How to reach a backend, from the command line and the environment."""

    home: Path
    """Where the backend keeps its data, its key and its address."""
    url: str | None = None
    """Of a running backend; None means the one of `home`, started where it does not run."""
    key: str | None = None
    """None means the owner key of `home`, which is only ever sent to this machine."""
    command: tuple[str, ...] = SERVE

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], url: str | None = None, key: str | None = None) -> Launch:
        """Let what is given win over `ATTUNE_URL`, `ATTUNE_KEY` and `ATTUNE_HOME`."""
        home = environ.get("ATTUNE_HOME")
        return cls(
            home=Path(home).expanduser() if home else default_home(),
            url=url or environ.get("ATTUNE_URL") or None,
            key=key or environ.get("ATTUNE_KEY") or None,
        )

    def key_for(self, url: str) -> str | None:
        """The key to send to `url`; the owner key only to this machine, and read anew each time."""
        if self.key or not is_loopback(url):
            return self.key
        try:
            return (self.home / "owner.key").read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError):
            return None


def default_home() -> Path:
    """The platform's place for Attune's data."""
    import platformdirs

    return Path(platformdirs.user_data_path("attune", appauthor=False))


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend that answers, and its process where we started it."""

    url: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def ours(self) -> bool:
        """Whether we started it and it still runs."""
        return self.process is not None and self.process.poll() is None

    def ask_to_stop(self) -> None:
        """Ask a backend of ours to finish and leave; returns at once."""
        if self.process is not None and self.process.poll() is None:
            ask_to_stop(self.process)

    async def stopped(self, deadline_s: float = STOP_S) -> bool:
        """Wait until a backend of ours has left; False where it has not by the deadline. It is never killed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + deadline_s
        while self.ours:
            if loop.time() > deadline:
                return False
            await asyncio.sleep(POLL_S / 2)
        return True


def ask_to_stop(process: subprocess.Popen[bytes]) -> None:
    """Send the signal at which a backend drains and exits."""
    if sys.platform == "win32":
        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        process.terminate()


async def reach(launch: Launch, report: Report) -> Backend:
    """Return a backend that answers: the named one, the running one, or one that is started now.

    Raises:
        ClientError: the named one does not answer.
        BackendError: none could be started; the message holds the last lines of its log.
    """
    if launch.url is not None:
        if not await _alive(launch.url):
            raise ClientError(
                f"nothing answers at {launch.url}: start it with 'attune serve', or leave the address away "
                "and attune-chat starts one"
            )
        return Backend(launch.url)
    return await find(launch.home) or await start(launch, report)


async def find(home: Path) -> Backend | None:
    """Return the backend that runs on this data directory, if one answers."""
    try:
        noted = json.loads((home / "backend.json").read_text(encoding="utf-8"))
        url = noted["url"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return Backend(url) if isinstance(url, str) and is_loopback(url) and await _alive(url) else None


async def start(launch: Launch, report: Report) -> Backend:
    """Start a backend on this data directory and wait until it answers.

    Raises:
        BackendError: it could not be started, died, or did not answer in time.
    """
    report("starting the backend")
    log = launch.home / "backend.log"
    process, begin = _spawn(launch, log)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_S
    try:
        while loop.time() < deadline:
            found = await find(launch.home)
            if process.poll() is not None:
                if found is not None:
                    return found
                raise BackendError(_died(process.returncode, log, begin))
            if found is not None:
                return Backend(found.url, process)
            await asyncio.sleep(POLL_S)
    except asyncio.CancelledError:
        ask_to_stop(process)
        raise
    ask_to_stop(process)
    raise BackendError(f"the backend did not answer within {START_S:.0f} s; its log is {log}")


def _spawn(launch: Launch, log: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start the process; returns it and where its part of the log begins."""
    environ = {**os.environ, "ATTUNE_HOME": str(launch.home)}
    environ.pop("ATTUNE_KEY", None)
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
    try:
        launch.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as out:
            begin = out.tell()
            process = subprocess.Popen(
                launch.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environ,
                start_new_session=sys.platform != "win32",
                creationflags=flags,
            )
    except OSError as error:
        raise BackendError(
            f"cannot start the backend: {error}; check {launch.home}, or start it yourself with 'attune serve'"
        ) from error
    return process, begin


def _died(code: int, log: Path, begin: int) -> str:
    try:
        with log.open("rb") as lines:
            lines.seek(begin)
            last = [line for line in lines.read().decode("utf-8", "replace").splitlines() if line.strip()][-LOG_LINES:]
    except OSError:
        last = []
    said = "\n".join(last) or "(it said nothing)"
    return f"the backend left with code {code}; repair what it names and try again. From {log}:\n{said}"


async def _alive(url: str) -> bool:
    client = await open_client(url, None)
    try:
        return await client.alive()
    finally:
        await client.close()
