"""What `--dry-run` says of a training run: what stands in its way, and the command that would be run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import typer


def rehearse(problems: Sequence[str], command: Sequence[str]) -> typer.Exit:
    """Print both, and return the way out: 1 where something stands in the way."""
    for problem in problems:
        typer.echo(f"- {problem}", err=True)
    typer.echo(shlex.join(command))
    return typer.Exit(1 if problems else 0)
