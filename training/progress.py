"""The progress line of a command, on stderr: how far, how fast, how long yet."""

from __future__ import annotations

import sys
import time

import typer


class Progress:
    """A line that is said again at most once a second, and at the end."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._begun = self._shown = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Say that so many are done."""
        now = time.monotonic()
        if done < total and now - self._shown < 1:
            return
        self._shown = now
        tell(self._what, done, total, now - self._begun)


def tell(what: str, done: int, total: int, seconds: float) -> None:
    """Write the line; on a terminal it takes the place of the last one."""
    rate = done / max(seconds, 1e-9)
    left = (total - done) / rate if rate else 0
    start, end = ("\r", "\n" if done == total else "") if sys.stderr.isatty() else ("", "\n")
    typer.echo(f"{start}{done}/{total} {what}, {rate:.1f} a second, {left:.0f} s left {end}", nl=False, err=True)
