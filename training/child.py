"""A program as a child process: its output in a log, waited for until ready, always stopped with its offspring."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from training.errors import EngineError

POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class Child:
    """A running program."""

    name: str
    """What to call it in error messages."""
    process: subprocess.Popen[bytes]
    log: Path
    """Everything it printed."""

    def wait_until(self, is_ready: Callable[[], bool], within_s: float) -> float:
        """Return after how many seconds `is_ready` said so.

        Raises:
            EngineError: the program ended before, or the time was up; it quotes the log's end.
        """
        started = time.monotonic()
        while not is_ready():
            if self.process.poll() is not None:
                raise EngineError(f"{self.name} ended with status {self.process.returncode}:\n{tail(self.log)}")
            if time.monotonic() - started > within_s:
                raise EngineError(f"{self.name} was not ready within {within_s:.0f} s:\n{tail(self.log)}")
            time.sleep(POLL_S)
        return time.monotonic() - started


@contextmanager
def child(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    cwd: Path | None = None,
    patience_s: float = 20.0,
) -> Iterator[Child]:
    """Run `command` in a session of its own, without input; leaving stops it and everything it started.

    It is asked to end first; what is still there after `patience_s` is killed.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            cwd=cwd,
            start_new_session=True,
        )
    try:
        yield Child(name, process, log)
    finally:
        _stop(process, patience_s)


def tail(log: Path, lines: int = 25) -> str:
    """The last lines of a log, for an error message."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _stop(process: subprocess.Popen[bytes], patience_s: float) -> None:
    for step in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, step)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience_s)
